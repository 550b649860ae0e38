//! What an expression may cost at most, worked out before it runs: the interpreter cannot be
//! stopped half way. Steps are counted as the interpreter takes them, each some tenth of a
//! microsecond, for an event of a given [`Extent`].

use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue};
use event::{Description, Event};
use serde_json::{Map, Value};

/// How large an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Of its lists and objects, the longest.
    pub(crate) items: u64,
    /// All its text, and [`VALUE_BYTES`] for each value.
    pub(crate) bytes: u64,
}

impl Extent {
    pub(crate) fn of(event: &Event, told: &Description) -> Extent {
        let lists = [&told.people, &told.packages, &told.objects];
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let mut extent = Extent { items: 1, bytes: (told.summary.len() + text(&told.text)) as u64 };
        for list in lists {
            extent.items = extent.items.max(list.len() as u64);
            let bytes = |name: &String| VALUE_BYTES + name.len() as u64;
            extent.bytes += list.iter().map(bytes).sum::<u64>();
        }
        extent.entries(event.body.object());
        extent.entries(&event.headers);
        extent
    }

    fn add(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.bytes += VALUE_BYTES + text.len() as u64,
            Value::Array(items) => {
                self.bytes += VALUE_BYTES;
                self.items = self.items.max(items.len() as u64);
                items.iter().for_each(|item| self.add(item));
            }
            Value::Object(entries) => self.entries(entries),
            _ => self.bytes += VALUE_BYTES,
        }
    }

    fn entries(&mut self, entries: &Map<String, Value>) {
        self.items = self.items.max(entries.len() as u64);
        for (key, value) in entries {
            self.bytes += VALUE_BYTES + key.len() as u64;
            self.add(value);
        }
    }
}

/// The steps an expression takes at most, and how large its value can be.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Price {
    pub(crate) steps: u64,
    items: u64,
    bytes: u64,
}

/// Prices an expression for events of an extent.
pub(crate) fn price(expression: &IdedExpr, extent: Extent) -> u64 {
    Pricing { extent, scopes: Vec::new() }.of(expression).steps
}

struct Pricing<'e> {
    extent: Extent,
    scopes: Vec<(&'e str, Price)>,
}

impl<'e> Pricing<'e> {
    fn of(&mut self, expression: &'e IdedExpr) -> Price {
        match &expression.expr {
            Expr::Literal(LiteralValue::String(text)) => {
                Price { steps: 1, items: 1, bytes: text.inner().len() as u64 }
            }
            Expr::Literal(LiteralValue::Bytes(bytes)) => {
                Price { steps: 1, items: 1, bytes: bytes.inner().len() as u64 }
            }
            Expr::Literal(_) | Expr::Unspecified => {
                Price { steps: 1, items: 1, bytes: VALUE_BYTES }
            }
            Expr::Ident(name) => self.of_name(name),
            Expr::Select(select) => {
                let of = self.of(&select.operand);
                Price { steps: of.steps.saturating_add(1), ..of }
            }
            Expr::Call(call) => self.of_call(call),
            Expr::List(list) => self.of_parts(list.elements.iter()),
            Expr::Map(map) => self.of_entries(map.entries.iter().map(|entry| &entry.expr)),
            Expr::Struct(made) => self.of_entries(made.entries.iter().map(|entry| &entry.expr)),
            Expr::Comprehension(loops) => self.of_loop(loops),
        }
    }

    fn of_name(&self, name: &str) -> Price {
        let bound = self.scopes.iter().rev().find(|(bound, _)| *bound == name);
        let Extent { items, bytes } = self.extent;
        let size = bound.map_or(Price { steps: 1, items, bytes }, |(_, size)| *size);
        Price { steps: 1, ..size }
    }

    fn of_parts(&mut self, parts: impl Iterator<Item = &'e IdedExpr>) -> Price {
        let mut all = Price::default();
        let mut count: u64 = 0;
        for part in parts {
            let part = self.of(part);
            count += 1;
            // Made into a new value: copied.
            let steps = part.steps.saturating_add(1 + part.bytes / BYTES_A_STEP);
            all.steps = all.steps.saturating_add(steps);
            all.bytes = all.bytes.saturating_add(part.bytes);
            all.items = all.items.max(part.items);
        }
        Price { steps: all.steps.saturating_add(1), items: all.items.max(count), ..all }
    }

    fn of_entries(&mut self, entries: impl Iterator<Item = &'e EntryExpr>) -> Price {
        let parts = entries.flat_map(|entry| match entry {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        });
        self.of_parts(parts)
    }

    fn of_call(&mut self, call: &'e CallExpr) -> Price {
        let parts: Vec<Price> = call
            .target
            .iter()
            .map(|target| &**target)
            .chain(&call.args)
            .map(|e| self.of(e))
            .collect();
        let sum = |of: fn(&Price) -> u64| parts.iter().map(of).fold(0, u64::saturating_add);
        let (steps, items, bytes) = (sum(|p| p.steps), sum(|p| p.items), sum(|p| p.bytes));
        let read = bytes / BYTES_A_STEP;
        let (work, items, bytes) = match call.func_name.as_str() {
            "_&&_" | "_||_" | "!_" | "@not_strictly_false" | "size" | "type" => (0, 1, VALUE_BYTES),
            "_?_:_" => (0, items, bytes),
            "_[_]" | "dyn" => (0, items, bytes),
            "_==_" | "_!=_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "@in" => (read, 1, VALUE_BYTES),
            "_+_" => (read, items, bytes),
            // A state of the pattern for each byte, at worst.
            "matches" => {
                let pattern = parts.last().map_or(1, |pattern| pattern.bytes / 4 + 1);
                (read.saturating_mul(pattern), 1, VALUE_BYTES)
            }
            _ => (read, items, bytes),
        };
        Price { steps: steps.saturating_add(work).saturating_add(1), items, bytes }
    }

    fn of_loop(&mut self, loops: &'e ComprehensionExpr) -> Price {
        let range = self.of(&loops.iter_range);
        let init = self.of(&loops.accu_init);
        let depth = self.scopes.len();
        // An item of ordinary size: what is read of all of them is no more than the range has, and
        // no operation takes longer than its text is long.
        let item = Price { steps: 1, bytes: range.bytes / range.items.max(1) + 1, ..range };
        self.scopes.push((&loops.iter_var, item));
        if let Some(second) = &loops.iter_var2 {
            self.scopes.push((second, item));
        }
        self.scopes.push((&loops.accu_var, init));
        let (condition, step) = (self.of(&loops.loop_cond), self.of(&loops.loop_step));
        // What is gathered: an item of the range each time, which is no more than the range, or
        // what the step makes of it.
        let gathered = match takes_the_item(loops) {
            true => range.bytes,
            false => range.items.saturating_mul(step.bytes),
        };
        let all = Price { steps: 1, items: range.items.max(step.items), bytes: gathered };
        self.scopes.pop();
        self.scopes.push((&loops.accu_var, all));
        let result = self.of(&loops.result);
        self.scopes.truncate(depth);
        let once = condition.steps.saturating_add(step.steps).saturating_add(2);
        let steps = range
            .steps
            .saturating_add(init.steps)
            .saturating_add(range.items.saturating_mul(once))
            .saturating_add(range.bytes / BYTES_A_STEP)
            .saturating_add(result.steps);
        Price { steps, ..result }
    }
}

/// Whether the loop gathers items as they are: `filter` does.
fn takes_the_item(loops: &ComprehensionExpr) -> bool {
    fn gathers(expression: &IdedExpr, item: &str) -> bool {
        match &expression.expr {
            Expr::Call(call) if call.func_name == "_?_:_" => {
                call.args.get(1).is_some_and(|then| gathers(then, item))
            }
            Expr::Call(call) if call.func_name == "_+_" => {
                call.args.get(1).is_some_and(|added| gathers(added, item))
            }
            Expr::List(list) => {
                matches!(list.elements.as_slice(),
                    [IdedExpr { expr: Expr::Ident(name), .. }] if name == item)
            }
            _ => false,
        }
    }
    gathers(&loops.loop_step, &loops.iter_var)
}

/// What a value weighs besides its text: to copy it, or to compare it, is a step.
const VALUE_BYTES: u64 = 16;
/// Bytes that are compared or copied in the time of one step.
const BYTES_A_STEP: u64 = 16;
