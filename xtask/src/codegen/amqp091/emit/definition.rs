//! The methods as data.

use super::{
    super::spec::{Kind, Spec},
    HEAD, methods,
};

pub(super) fn definition(spec: &Spec) -> String {
    let (mut entries, mut count) = (String::new(), 0);
    for (class, method) in methods(spec) {
        let arguments: String = method
            .fields
            .iter()
            .map(|field| {
                let (name, kind) = (&field.name, kind(field.kind));
                format!("Argument {{ name: {name:?}, kind: ArgumentKind::{kind} }},")
            })
            .collect();
        entries += &format!(
            "Definition {{ id: MethodId {{ class: {}, method: {} }}, name: {:?}, has_content: {}, \
             arguments: &[{arguments}] }},\n",
            class.id, method.id, method.full_name, method.content
        );
        count += 1;
    }
    format!(
        "{HEAD}//! Every method with its arguments, as data.

use crate::{{Argument, ArgumentKind, Definition, MethodId}};

/// Every method, in the order of the definition.
pub static METHODS: [Definition; {count}] = [{entries}];
"
    )
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Bit => "Bit",
        Kind::Octet => "Octet",
        Kind::Short => "Short",
        Kind::Long => "Long",
        Kind::LongLong => "LongLong",
        Kind::ShortStr => "ShortStr",
        Kind::LongStr | Kind::Secret => "LongStr",
        Kind::Table => "Table",
        Kind::Timestamp => "Timestamp",
    }
}
