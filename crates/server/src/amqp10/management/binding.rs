//! Bindings: made, listed, taken away. A binding's name is a path:
//! `src=EXCHANGE;dstq=QUEUE;key=KEY;args=HASH`, or `dste=EXCHANGE` in the middle.

use std::fmt::{self, Write as _};

use amqp10::types::{Map, Value};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use broker::{Arguments, Binding, BindingEnd, Destination, limits::NAME_BYTES_MAX};
use bytestring::ByteString;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    answer::{Answer, Outcome, Refusal, Status},
    arguments::{arguments, shown as shown_arguments},
    call::{Call, check_line_breaks, refuse_default},
    request::term,
    target::{Target, decoded},
};

/// The two ends of a binding, and its key.
#[derive(Debug, PartialEq, Eq)]
struct Ends {
    source: ByteString,
    destination: String,
    is_to_queue: bool,
    key: ByteString,
}

impl Ends {
    fn destination(&self) -> BindingEnd<'_> {
        match self.is_to_queue {
            true => BindingEnd::Queue(&self.destination),
            false => BindingEnd::Exchange(&self.destination),
        }
    }

    /// RabbitMQ: `binding_checks`.
    fn check_names(&self) -> Result<(), Refusal> {
        refuse_default(&self.source)?;
        check_line_breaks(&self.source)?;
        if !self.is_to_queue {
            refuse_default(&self.destination)?;
        }
        check_line_breaks(&self.destination)
    }

    /// Those that are there, with these ends and this key.
    fn bindings(&self, call: &mut Call<'_>) -> Result<Vec<Binding>, Refusal> {
        self.check_names()?;
        let (source, destination) = (&self.source, self.destination());
        call.access.may_bind(source, destination, &self.key).map_err(Refusal::of)?;
        let mut bindings = call.vhost().bindings_between(source, destination);
        bindings.retain(|binding| binding.key == self.key);
        Ok(bindings)
    }
}

/// `POST /bindings`.
pub(super) fn post(call: &mut Call<'_>, body: &Value) -> Outcome {
    let (ends, arguments) = asked(call, body)?;
    ends.check_names()?;
    let (key, destination) = (ends.key.clone(), ends.destination());
    if key.len() > NAME_BYTES_MAX {
        let text = format!("a binding key of {} bytes; {NAME_BYTES_MAX} are the most", key.len());
        return Err(Refusal::bad_request(text));
    }
    let bound = call.access.bind(&ends.source, destination, key, arguments, call.connection);
    bound.map_err(Refusal::of)?;
    Ok(Answer::done())
}

fn asked(call: &Call<'_>, body: &Value) -> Result<(Ends, Arguments), Refusal> {
    let Value::Map(fields) = body else {
        return Err(Refusal::bad_request(format!("a binding is a map, not {}", term(body))));
    };
    let (mut source, mut key, mut queue, mut exchange) = (None, None, None, None);
    let mut taken = Arguments::default();
    for (field, value) in fields {
        let place = match (field.as_text(), value) {
            (Some("source"), Value::String(_)) => &mut source,
            (Some("destination_queue"), Value::String(_)) => &mut queue,
            (Some("destination_exchange"), Value::String(_)) => &mut exchange,
            (Some("binding_key"), Value::String(_)) => &mut key,
            (Some("arguments"), value) => {
                taken = arguments(value, call.limits)?;
                continue;
            }
            _ => {
                let text = format!("bad binding field {{{},{}}}", term(field), term(value));
                return Err(Refusal::bad_request(text));
            }
        };
        *place = value.as_text();
    }
    let missing = |what: &str| Refusal::bad_request(format!("missing binding field {what}"));
    let source = source.ok_or_else(|| missing("'source'"))?;
    let is_to_queue = queue.is_some();
    // RabbitMQ: of two the queue counts.
    let destination = queue
        .or(exchange)
        .ok_or_else(|| missing("'destination_queue' or 'destination_exchange'"))?;
    let ends = Ends {
        source: source.into(),
        destination: destination.to_owned(),
        is_to_queue,
        key: key.unwrap_or_default().into(),
    };
    Ok((ends, taken))
}

/// `GET /bindings?src=EXCHANGE&dstq=QUEUE&key=KEY`, or `dste=EXCHANGE` in the middle.
pub(super) fn list(call: &mut Call<'_>, target: &Target<'_>) -> Outcome {
    let missing =
        |what: &str| Refusal::bad_request(format!("missing {what} in query: {}", target.query()));
    let source = target.parameter("src")?.ok_or_else(|| missing("'src'"))?;
    let key = target.parameter("key")?.ok_or_else(|| missing("'key'"))?;
    let (destination, is_to_queue) = match (target.parameter("dste")?, target.parameter("dstq")?) {
        (Some(exchange), _) => (exchange, false),
        (None, Some(queue)) => (queue, true),
        (None, None) => return Err(missing("'dste' or 'dstq'")),
    };
    let ends = Ends { source: source.into(), destination, is_to_queue, key: key.into() };
    let bindings = ends.bindings(call)?;
    let shown = bindings.iter().map(|binding| shown(&ends.source, binding).into());
    Ok(Answer::new(Status::Ok, shown.collect::<Vec<Value>>()))
}

/// `DELETE /bindings/BINDING`. One that is not there is away already.
pub(super) fn delete(call: &mut Call<'_>, segment: &str) -> Outcome {
    let Some((ends, wanted)) = named(segment) else {
        return Err(Refusal::bad_request(format!("bad binding path segment '{segment}'")));
    };
    let bindings = ends.bindings(call)?;
    let found = bindings.into_iter().find(|binding| hash(&binding.arguments) == wanted);
    if let Some(Binding { arguments, .. }) = found {
        let (key, destination) = (ends.key.clone(), ends.destination());
        let unbound =
            call.access.unbind(&ends.source, destination, key, arguments, call.connection);
        unbound.map_err(Refusal::of)?;
    }
    Ok(Answer::done())
}

/// The ends that a binding's name says, and the hash of its arguments.
fn named(segment: &str) -> Option<(Ends, &str)> {
    let mut parts = segment.split(';');
    let source = parts.next()?.strip_prefix("src=")?;
    let destination = parts.next()?.strip_prefix("dst")?;
    let (is_to_queue, destination) = match destination.strip_prefix("q=") {
        Some(queue) => (true, queue),
        None => (false, destination.strip_prefix("e=")?),
    };
    let key = parts.next()?.strip_prefix("key=")?;
    let hash = parts.next()?.strip_prefix("args=")?;
    let is_plain = |part: &str, more: &str| {
        part.chars().all(|it| it.is_ascii_alphanumeric() || more.contains(it))
    };
    let are_plain = [source, destination, key].into_iter().all(|it| is_plain(it, "-._~%"));
    let are_there = !source.is_empty() && !destination.is_empty() && parts.next().is_none();
    if !are_plain || !are_there || !is_plain(hash, "-_") {
        return None;
    }
    let ends = Ends {
        source: decoded(source).ok()?.into(),
        destination: decoded(destination).ok()?,
        is_to_queue,
        key: decoded(key).ok()?.into(),
    };
    Some((ends, hash))
}

fn shown(source: &str, binding: &Binding) -> Map {
    let (end, kind, destination) = match &binding.destination {
        Destination::Queue(queue) => ("destination_queue", 'q', &**queue.name()),
        Destination::Exchange(name) => ("destination_exchange", 'e', &**name),
    };
    let quoted = |name| utf8_percent_encode(name, QUOTED);
    let location = format!(
        "/bindings/src={};dst{kind}={};key={};args={}",
        quoted(source),
        quoted(destination),
        quoted(&binding.key),
        hash(&binding.arguments)
    );
    [
        ("source", Value::from(source)),
        (end, destination.into()),
        ("binding_key", (&*binding.key).into()),
        ("arguments", shown_arguments(&binding.arguments)),
        ("location", location.as_str().into()),
    ]
    .into_iter()
    .collect()
}

/// Tells bindings with the same ends and key apart: nothing without arguments, else FNV-1a of them,
/// in any order. Clients take it from the list of bindings (RabbitMQ: `args_hash`, by another
/// function).
fn hash(arguments: &Arguments) -> String {
    if arguments.is_empty() {
        return String::new();
    }
    let mut sorted: Vec<_> = arguments.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
    let written = sorted.iter().try_for_each(|argument| write!(hash, "{argument:?}"));
    debug_assert!(written.is_ok(), "a hash takes everything");
    BASE64_URL_SAFE_NO_PAD.encode(hash.0.to_be_bytes())
}

struct Fnv(u64);

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}

/// All but what RFC 3986 leaves as it is.
const QUOTED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use broker::Value as Kept;

    use super::*;

    fn arguments(of: &[(&str, i64)]) -> Arguments {
        of.iter().map(|(name, value)| ((*name).to_owned(), Kept::Long(*value))).collect()
    }

    #[test]
    fn a_bindings_name_says_its_ends_and_its_key() {
        let (ends, hash) = named("src=e%2F1;dstq=q%20~2;key=%C3%A4.%23;args=aB-_9").unwrap();
        let expected = Ends {
            source: "e/1".into(),
            destination: "q ~2".to_owned(),
            is_to_queue: true,
            key: "ä.#".into(),
        };
        assert_eq!((ends, hash), (expected, "aB-_9"));
        let (ends, hash) = named("src=e;dste=x;key=;args=").unwrap();
        assert!(!ends.is_to_queue && ends.key.is_empty() && hash.is_empty());
        for wrong in [
            "",
            "src=e1;dstq=q1;invalidkey=k1;args=",
            "src=;dstq=q;key=;args=",
            "src=e;dstq=;key=;args=",
            "src=e;dstx=q;key=;args=",
            "src=e;dstq=q;key=;args=;",
            "src=e;dstq=q;key=",
            "src=e;dstq=q;key=a/b;args=",
            "src=e;dstq=q;key=a;args=%20",
            "src=%FF;dstq=q;key=a;args=",
        ] {
            assert!(named(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn bindings_are_told_apart_by_arguments_in_any_order() {
        assert_eq!(hash(&Arguments::default()), "");
        let one = hash(&arguments(&[("a", 1), ("b", 2)]));
        assert_eq!(one, hash(&arguments(&[("b", 2), ("a", 1)])));
        assert_ne!(one, hash(&arguments(&[("a", 1), ("b", 3)])));
        assert!(named(&format!("src=e;dstq=q;key=;args={one}")).is_some());
    }
}
