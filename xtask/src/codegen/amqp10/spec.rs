//! The specification's XML, parsed into what the generator needs. Refuses what it does not
//! understand: a type of an unknown class, a field of an unknown type, a type or field nobody has
//! described in `words`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use roxmltree::{Document, Node};

use super::words;

/// The files of the specification, in the order of its books.
const FILES: [&str; 5] =
    ["types.xml", "transport.xml", "messaging.xml", "transactions.xml", "security.xml"];

/// The specification.
pub(super) struct Spec {
    pub(super) encodings: Vec<Encoding>,
    pub(super) composites: Vec<Composite>,
    pub(super) restricteds: Vec<Restricted>,
}

/// One way to write a primitive type.
pub(super) struct Encoding {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) code: u8,
}

/// A described list.
pub(super) struct Composite {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) symbol: String,
    pub(super) code: u64,
    pub(super) provides: Vec<String>,
    pub(super) words: &'static str,
    pub(super) fields: Vec<Field>,
}

/// A field of a described list.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) type_name: String,
    pub(super) requires: Option<String>,
    pub(super) mandatory: bool,
    pub(super) multiple: bool,
    pub(super) default: Option<String>,
    pub(super) words: &'static str,
}

/// A type that is another with fewer values or with a meaning.
pub(super) struct Restricted {
    pub(super) section: String,
    pub(super) name: String,
    pub(super) source: String,
    pub(super) provides: Vec<String>,
    pub(super) descriptor: Option<(String, u64)>,
    pub(super) words: &'static str,
    pub(super) choices: Vec<Choice>,
}

/// A value of a restricted type.
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) words: &'static str,
}

impl Spec {
    /// Reads the XML files of one folder.
    pub(super) fn read(folder: &Path) -> Result<Self> {
        let mut spec =
            Self { encodings: Vec::new(), composites: Vec::new(), restricteds: Vec::new() };
        for file in FILES {
            let path = folder.join(file);
            let text = std::fs::read_to_string(&path)
                .with_context(|| format!("cannot read the specification {}", path.display()))?;
            let document =
                Document::parse(&text).with_context(|| format!("{} is not XML", path.display()))?;
            spec.add(document.root_element()).with_context(|| format!("in {}", path.display()))?;
        }
        Ok(spec)
    }

    /// What the type is, when it is a restricted one.
    pub(super) fn restricted(&self, name: &str) -> Option<&Restricted> {
        self.restricteds.iter().find(|restricted| restricted.name == name)
    }

    /// The described lists that may stand where this archetype is required.
    pub(super) fn providers(&self, archetype: &str) -> Vec<&Composite> {
        let provides = |composite: &&Composite| composite.provides.iter().any(|it| it == archetype);
        self.composites.iter().filter(provides).collect()
    }

    fn add(&mut self, root: Node<'_, '_>) -> Result<()> {
        for section in elements(root, "section") {
            let section_name = attribute(section, "name")?;
            for node in elements(section, "type") {
                let name = attribute(node, "name")?;
                match attribute(node, "class")?.as_str() {
                    "primitive" => self.encodings.append(&mut encodings(node, &name)?),
                    "composite" => self.composites.push(composite(node, &section_name, name)?),
                    "restricted" => self.restricteds.push(restricted(node, &section_name, name)?),
                    other => bail!("{name}: a type is no {other}"),
                }
            }
        }
        Ok(())
    }
}

fn encodings(node: Node<'_, '_>, type_name: &str) -> Result<Vec<Encoding>> {
    let nodes: Vec<_> = elements(node, "encoding").collect();
    let encoding = |node: &Node<'_, '_>| {
        let code = attribute(*node, "code")?;
        let code = code.strip_prefix("0x").and_then(|code| u8::from_str_radix(code, 16).ok());
        let name = match node.attribute("name") {
            Some(name) if nodes.len() > 1 => name,
            _ => type_name,
        };
        Ok(Encoding {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            code: code.with_context(|| format!("{type_name}: no code"))?,
        })
    };
    nodes.iter().map(encoding).collect()
}

fn composite(node: Node<'_, '_>, section: &str, name: String) -> Result<Composite> {
    let source = attribute(node, "source")?;
    ensure!(source == "list", "{name}: a described list, not a {source}");
    let (symbol, code) = descriptor(node)?.with_context(|| format!("{name}: no descriptor"))?;
    let fields: Result<_> = elements(node, "field").map(|it| parse_field(it, &name)).collect();
    Ok(Composite {
        section: section.to_owned(),
        symbol,
        code,
        provides: provides(node),
        words: words::type_(&name)?,
        fields: fields?,
        name,
    })
}

fn parse_field(node: Node<'_, '_>, owner: &str) -> Result<Field> {
    let name = attribute(node, "name")?;
    let flag = |key| node.attribute(key) == Some("true");
    Ok(Field {
        type_name: attribute(node, "type")?,
        requires: node.attribute("requires").map(str::to_owned),
        mandatory: flag("mandatory"),
        multiple: flag("multiple"),
        default: node.attribute("default").map(str::to_owned),
        words: words::field(&format!("{owner}.{name}"), &name)?,
        name,
    })
}

fn restricted(node: Node<'_, '_>, section: &str, name: String) -> Result<Restricted> {
    let choice = |node: Node<'_, '_>| {
        let choice = attribute(node, "name")?;
        let words = words::choice(&format!("{name}.{choice}"))?;
        Ok(Choice { value: attribute(node, "value")?, name: choice, words })
    };
    Ok(Restricted {
        section: section.to_owned(),
        source: attribute(node, "source")?,
        provides: provides(node),
        descriptor: descriptor(node)?,
        words: words::type_(&name)?,
        choices: elements(node, "choice").map(choice).collect::<Result<_>>()?,
        name,
    })
}

/// `code` is two halves of 32 bits each, `0x00000000:0x00000010`.
fn descriptor(node: Node<'_, '_>) -> Result<Option<(String, u64)>> {
    let Some(node) = elements(node, "descriptor").next() else { return Ok(None) };
    let text = attribute(node, "code")?.replace("0x", "").replace(':', "");
    let code = u64::from_str_radix(&text, 16).context("a descriptor's code is no number")?;
    Ok(Some((attribute(node, "name")?, code)))
}

fn provides(node: Node<'_, '_>) -> Vec<String> {
    let names = node.attribute("provides").unwrap_or_default();
    names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
}

fn elements<'a, 'input: 'a>(
    node: Node<'a, 'input>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn attribute(node: Node<'_, '_>, key: &str) -> Result<String> {
    let value = node.attribute(key).map(str::to_owned);
    value.with_context(|| format!("expected an attribute {key} of <{}>", node.tag_name().name()))
}
