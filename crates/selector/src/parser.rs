//! From tokens to a program, by precedence: `OR`, `AND`, `NOT`, comparisons, `+ -`, `* / %`, signs
//! (SQL-92). A level of parentheses is one call deep, and those are counted.

use crate::{
    Dialect, Error,
    arithmetic::{Arithmetic, Sign},
    lexer::{Keyword, Lexeme, Lexer, Symbol, Token},
    like::Pattern,
    limits::{DEPTH_MAX, TEXT_MAX},
    number::Number,
    program::{Builder, Full, Literal, Node, NodeId, Program, Side},
    spelling,
    value::Comparison,
};

/// How tightly an operator binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Power {
    Or,
    And,
    Not,
    Comparison,
    Sum,
    Product,
    Sign,
}

/// Reads a selector.
///
/// # Errors
/// The text is none.
pub(crate) fn parse(text: &str, dialect: Dialect) -> Result<Program, Error> {
    if text.len() > TEXT_MAX {
        return Err(Error::TooLong { length: text.len() });
    }
    let mut lexer = Lexer::new(text, dialect);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, dialect, builder: Builder::new(), depth: 0 };
    // JMS 2.0 §3.8.1: an empty selector is none.
    let root = match parser.next.token {
        Token::End if dialect == Dialect::Jms => parser.push(Node::Literal(Literal::Bool(true)))?,
        _ => parser.expression(Power::Or)?,
    };
    match parser.next.token {
        Token::End => Ok(parser.builder.build(root, dialect)),
        _ => Err(parser.unexpected("an operator or the end", parser.mend_of_trailing())),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Lexeme<'a>,
    dialect: Dialect,
    builder: Builder,
    depth: usize,
}

impl<'a> Parser<'a> {
    /// What binds at least as tightly as `floor`.
    fn expression(&mut self, floor: Power) -> Result<NodeId, Error> {
        if self.depth >= DEPTH_MAX {
            return Err(self.at(Full::TooDeep));
        }
        self.depth += 1;
        let mut left = self.operand(floor)?;
        let mut compared = false;
        while let Some(power) = self.infix_power().filter(|power| *power >= floor) {
            left = match power {
                Power::Or | Power::And => self.chain(left, power)?,
                Power::Comparison if compared => {
                    let mend = "put one comparison in parentheses, or join the two with AND";
                    return Err(self.unexpected("AND, OR or the end", mend));
                }
                Power::Comparison => {
                    compared = true;
                    self.comparison(left)?
                }
                _ => self.arithmetic(left, power)?,
            };
        }
        self.depth -= 1;
        Ok(left)
    }

    fn infix_power(&self) -> Option<Power> {
        Some(match &self.next.token {
            Token::Keyword(Keyword::Or) => Power::Or,
            Token::Keyword(Keyword::And) => Power::And,
            Token::Keyword(
                Keyword::Not | Keyword::Is | Keyword::In | Keyword::Like | Keyword::Between,
            ) => Power::Comparison,
            Token::Symbol(Symbol::Plus | Symbol::Minus) => Power::Sum,
            Token::Symbol(Symbol::Star | Symbol::Slash | Symbol::Percent) => Power::Product,
            Token::Symbol(Symbol::Opens | Symbol::Closes | Symbol::Comma) => return None,
            Token::Symbol(_) => Power::Comparison,
            _ => return None,
        })
    }

    /// Any number of terms that `AND` or `OR` joins, as one node.
    fn chain(&mut self, first: NodeId, power: Power) -> Result<NodeId, Error> {
        let mut terms = vec![first];
        let floor = if power == Power::Or { Power::And } else { Power::Not };
        while self.infix_power() == Some(power) {
            self.advance()?;
            terms.push(self.expression(floor)?);
        }
        let items = self.builder.items(&terms);
        self.push(if power == Power::Or { Node::Or(items) } else { Node::And(items) })
    }

    fn arithmetic(&mut self, left: NodeId, power: Power) -> Result<NodeId, Error> {
        let operator = match self.next.token {
            Token::Symbol(Symbol::Plus) => Arithmetic::Add,
            Token::Symbol(Symbol::Minus) => Arithmetic::Subtract,
            Token::Symbol(Symbol::Star) => Arithmetic::Multiply,
            Token::Symbol(Symbol::Slash) => Arithmetic::Divide,
            _ => Arithmetic::Remainder,
        };
        self.advance()?;
        let floor = if power == Power::Sum { Power::Product } else { Power::Sign };
        let right = self.expression(floor)?;
        self.push(Node::Arithmetic(operator, left, right))
    }

    fn comparison(&mut self, left: NodeId) -> Result<NodeId, Error> {
        let operator = match self.next.token {
            Token::Symbol(Symbol::Equal) => Comparison::Equal,
            Token::Symbol(Symbol::NotEqual) => Comparison::NotEqual,
            Token::Symbol(Symbol::Less) => Comparison::Less,
            Token::Symbol(Symbol::LessOrEqual) => Comparison::LessOrEqual,
            Token::Symbol(Symbol::Greater) => Comparison::Greater,
            Token::Symbol(Symbol::GreaterOrEqual) => Comparison::GreaterOrEqual,
            Token::Keyword(Keyword::Is) => return self.is_null(left),
            _ => return self.predicate(left),
        };
        self.advance()?;
        let right = self.expression(Power::Sum)?;
        self.push(Node::Compare(operator, left, right))
    }

    fn is_null(&mut self, left: NodeId) -> Result<NodeId, Error> {
        self.advance()?;
        let negated = self.skip(Keyword::Not)?;
        let mend = "what is compared with a value is written with =";
        self.expect(&Token::Keyword(Keyword::Null), "NULL or NOT NULL after IS", mend)?;
        let node = self.push(Node::IsNull(left))?;
        self.negate(node, negated)
    }

    /// `BETWEEN`, `IN` or `LIKE`, with or without `NOT`.
    fn predicate(&mut self, left: NodeId) -> Result<NodeId, Error> {
        let negated = self.skip(Keyword::Not)?;
        match self.next.token {
            Token::Keyword(Keyword::Between) => {
                self.advance()?;
                let low = self.expression(Power::Sum)?;
                let mend = "write x BETWEEN 1 AND 10";
                self.expect(&Token::Keyword(Keyword::And), "AND after BETWEEN", mend)?;
                let high = self.expression(Power::Sum)?;
                let side = if negated { Side::Outside } else { Side::Inside };
                self.push(Node::Between(side, left, low, high))
            }
            Token::Keyword(Keyword::In) => {
                self.advance()?;
                let node = self.list(left)?;
                self.negate(node, negated)
            }
            Token::Keyword(Keyword::Like) => {
                self.advance()?;
                let node = self.like(left)?;
                self.negate(node, negated)
            }
            _ => {
                let mend = "NOT stands before what it denies: NOT x = 1";
                Err(self.unexpected("BETWEEN, IN or LIKE after NOT", mend))
            }
        }
    }

    fn list(&mut self, left: NodeId) -> Result<NodeId, Error> {
        let mend = "write x IN ('a', 'b')";
        self.expect(&Token::Symbol(Symbol::Opens), "'(' after IN", mend)?;
        let mut items = vec![self.expression(Power::Sum)?];
        while self.next.token == Token::Symbol(Symbol::Comma) {
            self.advance()?;
            items.push(self.expression(Power::Sum)?);
        }
        self.expect(&Token::Symbol(Symbol::Closes), "',' or ')' in the list of IN", mend)?;
        let items = self.builder.items(&items);
        self.push(Node::In(left, items))
    }

    fn like(&mut self, left: NodeId) -> Result<NodeId, Error> {
        let column = self.lexer.column(self.next.start);
        let mend = "write x LIKE 'a%'; % is any text, _ is any character";
        let text = self.string("a pattern in quotes after LIKE", mend)?;
        let escape = if self.skip(Keyword::Escape)? { Some(self.escape()?) } else { None };
        let pattern = Pattern::parse(&text, escape);
        let pattern = pattern.map_err(|reason| Error::Pattern { column, reason })?;
        let pattern = self.builder.pattern(pattern);
        self.push(Node::Like(left, pattern))
    }

    /// One character. Qpid C++ refuses the wildcards themselves, ActiveMQ and RabbitMQ do not.
    fn escape(&mut self) -> Result<char, Error> {
        let expected = "one character in quotes after ESCAPE";
        let mend = "write x LIKE 'a!_b' ESCAPE '!'";
        let single = match &self.next.token {
            Token::String(text) => text.chars().next().filter(|c| c.len_utf8() == text.len()),
            _ => None,
        };
        match single {
            Some(c) => self.advance().map(|()| c),
            None => Err(self.unexpected(expected, mend)),
        }
    }

    /// An operand with its signs, or what `NOT` denies.
    fn operand(&mut self, floor: Power) -> Result<NodeId, Error> {
        match self.next.token {
            Token::Keyword(Keyword::Not) if floor <= Power::Not => {
                self.advance()?;
                let denied = self.expression(Power::Not)?;
                self.push(Node::Not(denied))
            }
            Token::Symbol(Symbol::Plus) => self.signed(Sign::Plus),
            Token::Symbol(Symbol::Minus) => self.signed(Sign::Minus),
            Token::Symbol(Symbol::Opens) => {
                self.advance()?;
                let inner = self.expression(Power::Or)?;
                let mend = "close the parenthesis";
                self.expect(&Token::Symbol(Symbol::Closes), "an operator or ')'", mend)?;
                Ok(inner)
            }
            _ => self.primary(),
        }
    }

    fn signed(&mut self, sign: Sign) -> Result<NodeId, Error> {
        self.advance()?;
        if sign == Sign::Minus && self.next.token == Token::Number(Number::BeyondInt) {
            self.advance()?;
            return self.push(Node::Literal(Literal::Int(i64::MIN)));
        }
        let operand = self.expression(Power::Sign)?;
        let signed = self.builder.sign(sign, operand);
        signed.map_err(|full| self.at(full))
    }

    fn primary(&mut self) -> Result<NodeId, Error> {
        let literal = match &mut self.next.token {
            Token::String(text) => Literal::String(std::mem::take(text).into()),
            Token::Number(Number::Int(number)) => Literal::Int(*number),
            Token::Number(Number::Float(number)) => Literal::Float(*number),
            Token::Number(Number::Bytes(octets)) => Literal::Bytes(std::mem::take(octets).into()),
            Token::Number(Number::BeyondInt) if self.dialect == Dialect::AmqpSql => {
                Literal::Float(9_223_372_036_854_775_808.0)
            }
            Token::Number(Number::BeyondInt) => {
                let (column, text) = self.lexer.describe(self.next.start, self.next.end);
                let reason = "is too large; write it with an exponent";
                return Err(Error::Number { column, text, reason });
            }
            Token::Keyword(Keyword::True) => Literal::Bool(true),
            Token::Keyword(Keyword::False) => Literal::Bool(false),
            Token::Word(word) if self.dialect == Dialect::AmqpSql => match function(word) {
                Some(Function::Utc) => return self.utc(),
                Some(Function::Exists) => return self.exists(),
                None => return self.identifier(),
            },
            _ => return self.identifier(),
        };
        let node = self.push(Node::Literal(literal))?;
        self.advance()?;
        Ok(node)
    }

    fn identifier(&mut self) -> Result<NodeId, Error> {
        let word = match &mut self.next.token {
            Token::Delimited(name) => {
                let name = std::mem::take(name).into_boxed_str();
                return self.named(spelling::application(name));
            }
            Token::Word(word) => *word,
            // RabbitMQ has no BETWEEN, and so does not reserve the word.
            Token::Keyword(Keyword::Between) if self.dialect == Dialect::AmqpSql => {
                let name = self.lexer.text(self.next.start, self.next.end);
                return self.named(spelling::application(name.into()));
            }
            _ => return Err(self.no_operand()),
        };
        let reference = spelling::resolve(word, self.dialect).map_err(|reason| {
            let (column, name) = self.lexer.describe(self.next.start, self.next.end);
            Error::Name { column, name, reason }
        })?;
        self.named(reference)
    }

    fn named(&mut self, reference: spelling::Reference) -> Result<NodeId, Error> {
        let node = self.builder.reference(reference).map_err(|full| self.at(full))?;
        self.advance()?;
        Ok(node)
    }

    fn utc(&mut self) -> Result<NodeId, Error> {
        self.advance()?;
        let mend = "write UTC(), or [utc] for a property of that name";
        self.expect(&Token::Symbol(Symbol::Opens), "'(' after UTC", mend)?;
        self.expect(&Token::Symbol(Symbol::Closes), "')' after UTC(", mend)?;
        self.push(Node::Utc)
    }

    /// AMQP Filter Expressions §6.4.4.6, which RabbitMQ 4.2 keeps the word of.
    fn exists(&mut self) -> Result<NodeId, Error> {
        self.advance()?;
        let mend = "write EXISTS(name), or [exists] for a property of that name";
        self.expect(&Token::Symbol(Symbol::Opens), "'(' after EXISTS", mend)?;
        let name = self.identifier()?;
        self.expect(&Token::Symbol(Symbol::Closes), "')' after EXISTS(name", mend)?;
        let node = self.push(Node::IsNull(name))?;
        self.push(Node::Not(node))
    }

    fn string(&mut self, expected: &'static str, mend: &'static str) -> Result<String, Error> {
        match &mut self.next.token {
            Token::String(text) => {
                let text = std::mem::take(text);
                self.advance().map(|()| text)
            }
            _ => Err(self.unexpected(expected, mend)),
        }
    }

    fn negate(&mut self, node: NodeId, negated: bool) -> Result<NodeId, Error> {
        if negated { self.push(Node::Not(node)) } else { Ok(node) }
    }

    fn push(&mut self, node: Node) -> Result<NodeId, Error> {
        self.builder.push(node).map_err(|full| self.at(full))
    }

    fn at(&self, full: Full) -> Error {
        full.at(self.lexer.column(self.next.start))
    }

    fn advance(&mut self) -> Result<(), Error> {
        self.next = self.lexer.next()?;
        Ok(())
    }

    fn skip(&mut self, keyword: Keyword) -> Result<bool, Error> {
        let is = self.next.token == Token::Keyword(keyword);
        if is {
            self.advance()?;
        }
        Ok(is)
    }

    fn expect(
        &mut self,
        token: &Token<'a>,
        expected: &'static str,
        mend: &'static str,
    ) -> Result<(), Error> {
        if self.next.token == *token {
            return self.advance();
        }
        Err(self.unexpected(expected, mend))
    }

    fn no_operand(&self) -> Error {
        let mend = match (&self.next.token, self.dialect) {
            (Token::End, _) => "finish the expression, or take the last operator out",
            (Token::Keyword(Keyword::Not), _) => "put what NOT denies in parentheses",
            (Token::Keyword(Keyword::Null), _) => "what is not there is asked for with IS NULL",
            (Token::Keyword(_), Dialect::Jms) => {
                "write it before this word, or the word in double quotes if it is a property's name"
            }
            (Token::Keyword(_), Dialect::AmqpSql) => {
                "write it before this word, or the word in brackets if it is a property's name"
            }
            _ => "write an identifier, a number, or text in single quotes",
        };
        self.unexpected("a value", mend)
    }

    fn mend_of_trailing(&self) -> &'static str {
        match &self.next.token {
            Token::Symbol(Symbol::Closes) => "take it out, or open a parenthesis before",
            Token::Symbol(Symbol::Opens) => "this is no function; join two conditions with AND",
            _ => "join two conditions with AND or OR",
        }
    }

    fn unexpected(&self, expected: &'static str, mend: &'static str) -> Error {
        let (column, found) = self.lexer.describe(self.next.start, self.next.end);
        Error::Unexpected { column, found, expected, mend }
    }
}

/// What AMQP's SQL calls with parentheses.
enum Function {
    Exists,
    Utc,
}

fn function(word: &str) -> Option<Function> {
    match word {
        word if word.eq_ignore_ascii_case("EXISTS") => Some(Function::Exists),
        word if word.eq_ignore_ascii_case("UTC") => Some(Function::Utc),
        _ => None,
    }
}
