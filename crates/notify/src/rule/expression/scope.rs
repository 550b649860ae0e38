//! What an expression speaks of, and how deep: names that are not known and patterns that are wrong
//! are found when a rule is saved, and not when an event comes.

use cel::{
    Program,
    common::ast::{EntryExpr, Expr, IdedExpr},
};

use super::{Fault, VARIABLES, literal, regex};

/// Refuses text whose brackets, or signs before a value, nest so deep that reading it would take
/// the stack.
pub(super) fn check_nesting(text: &str) -> Result<(), Fault> {
    let (mut depth, mut signs, mut quote) = (0_usize, 0_usize, None);
    let (mut line, mut column) = (1, 0);
    for c in text.chars() {
        (line, column) = if c == '\n' { (line + 1, 0) } else { (line, column + 1) };
        match (quote, c) {
            (Some(open), c) => {
                if open == c {
                    quote = None;
                }
                continue;
            }
            (None, '"' | '\'') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            _ => {}
        }
        signs = match c {
            '!' | '-' | '?' => signs + 1,
            _ => signs,
        };
        if depth > DEPTH_MAX || signs > SIGNS_MAX {
            return Err(too_deep((line, column)));
        }
    }
    Ok(())
}

/// Refuses names and functions that are not known, patterns that are wrong or no literals, and
/// what cannot be true or false.
pub(super) fn check(program: &Program) -> Result<(), Fault> {
    let mut scope = Scope { program, bound: Vec::new() };
    scope.check(program.expression(), 0)?;
    let is_no_test = match &program.expression().expr {
        Expr::Literal(cel::common::ast::LiteralValue::Boolean(_)) => false,
        Expr::Literal(_) | Expr::List(_) | Expr::Map(_) | Expr::Struct(_) => true,
        Expr::Call(call) => {
            matches!(call.func_name.as_str(), "_+_" | "_-_" | "_*_" | "_/_" | "_%_" | "-_" | "size")
        }
        _ => false,
    };
    match is_no_test {
        true => Err(scope.fault(
            program.expression(),
            "is a value, and not true or false; compare it with something".to_owned(),
        )),
        false => Ok(()),
    }
}

struct Scope<'e> {
    program: &'e Program,
    bound: Vec<&'e str>,
}

impl<'e> Scope<'e> {
    fn check(&mut self, expression: &'e IdedExpr, depth: usize) -> Result<(), Fault> {
        if depth > TREE_DEPTH_MAX {
            return Err(too_deep(self.place(expression).unwrap_or((1, 1))));
        }
        match &expression.expr {
            Expr::Literal(_) => Ok(()),
            Expr::Unspecified => Err(self.fault(expression, "is not an expression".to_owned())),
            Expr::Ident(name) => self.name(expression, name),
            Expr::Select(select) => self.check(&select.operand, depth + 1),
            Expr::List(list) => self.all(list.elements.iter(), depth),
            Expr::Map(map) => {
                let entries = map.entries.iter().flat_map(|entry| match &entry.expr {
                    EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                    EntryExpr::StructField(field) => vec![&field.value],
                });
                self.all(entries, depth)
            }
            Expr::Struct(made) => {
                let problem = format!("{} {{…}}: there are no such values", made.type_name);
                Err(self.fault(expression, problem))
            }
            Expr::Call(call) => {
                let target = call.target.iter().map(|target| &**target);
                self.all(target.chain(&call.args), depth)?;
                let name = call.func_name.as_str();
                if name == "matches" {
                    return self.pattern(expression, call.args.last());
                }
                let is_operator = name.contains('_') && !name.contains(char::is_alphanumeric);
                match is_operator || name.starts_with('@') || FUNCTIONS.contains(&name) {
                    true => Ok(()),
                    false => {
                        let known = FUNCTIONS.join(", ");
                        let problem = format!("'{name}' is no function; known are {known}");
                        Err(self.fault(expression, problem))
                    }
                }
            }
            Expr::Comprehension(loops) => {
                self.check(&loops.iter_range, depth + 1)?;
                self.check(&loops.accu_init, depth + 1)?;
                let before = self.bound.len();
                self.bound.extend([loops.iter_var.as_str(), loops.accu_var.as_str()]);
                self.bound.extend(loops.iter_var2.as_deref());
                for part in [&loops.loop_cond, &loops.loop_step, &loops.result] {
                    self.check(part, depth + 1)?;
                }
                self.bound.truncate(before);
                Ok(())
            }
        }
    }

    fn all(
        &mut self,
        mut parts: impl Iterator<Item = &'e IdedExpr>,
        depth: usize,
    ) -> Result<(), Fault> {
        parts.try_for_each(|part| self.check(part, depth + 1))
    }

    fn name(&self, expression: &IdedExpr, name: &str) -> Result<(), Fault> {
        if self.bound.contains(&name) || VARIABLES.contains(&name) || TYPES.contains(&name) {
            return Ok(());
        }
        let known = VARIABLES.join(", ");
        let problem = format!(
            "'{name}' is not known; known are {known}; what the event says is in body: body.{name}"
        );
        Err(self.fault(expression, problem))
    }

    /// A pattern that an event brings along could be any.
    fn pattern(&self, expression: &IdedExpr, pattern: Option<&IdedExpr>) -> Result<(), Fault> {
        match pattern.and_then(literal) {
            None => {
                let problem = "matches() takes a pattern in quotes: matches('^rawhide')";
                Err(self.fault(expression, problem.to_owned()))
            }
            Some(pattern) => regex(pattern).map(drop).map_err(|error| {
                let problem = format!("the pattern '{pattern}' cannot be used: {error}");
                self.fault(expression, problem)
            }),
        }
    }

    fn fault(&self, expression: &IdedExpr, problem: String) -> Fault {
        Fault { path: String::new(), at: self.place(expression), problem }
    }

    /// Line and column of an expression.
    fn place(&self, expression: &IdedExpr) -> Option<(usize, usize)> {
        let source = self.program.source_info();
        let (start, _) = source.offset_for(expression.id)?;
        let start = usize::try_from(start).ok()?;
        let before: String = source.source.chars().take(start).collect();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |line| line.chars().count());
        Some((line, column + 1))
    }
}

fn too_deep(at: (usize, usize)) -> Fault {
    let problem = "is nested too deep; write it flatter, or make two rules of it".to_owned();
    Fault { path: String::new(), at: Some(at), problem }
}

const TYPES: [&str; 11] =
    ["int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "dyn"];
const FUNCTIONS: [&str; 12] = [
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "size",
    "int",
    "uint",
    "double",
    "string",
    "bool",
    "type",
    "dyn",
];
const DEPTH_MAX: usize = 16;
/// Signs before values in all: each may nest what follows it.
const SIGNS_MAX: usize = 64;
const TREE_DEPTH_MAX: usize = 48;
