//! The body: octets against sections. A body that is not data crosses to 0-9-1 encoded, under the
//! type `amqp-1.0`, and becomes what it was on the way back.

use amqp10::{
    Message, Reader,
    section::{BodyKind, Pieces, data_section_head},
    types::skip,
};
use amqp091::{Body, ShortStr};
use bytes::{Bytes, BytesMut};

/// The 0-9-1 type of a body that is encoded sections.
pub(crate) const ENCODED: &str = "amqp-1.0";

/// A body of AMQP 1.0 as 0-9-1 has it, and the type that says so when it is encoded.
pub(crate) fn to_octets(message: &Message) -> (Body, Option<ShortStr>) {
    match message.body_kind() {
        BodyKind::Absent => (Body::new(), None),
        // Of several sections 0-9-1 cannot say where one ends.
        BodyKind::Data => (message.data().flatten().collect(), None),
        BodyKind::Sequence | BodyKind::Value => {
            let footer = message.footer().map(|footer| footer.as_bytes().clone());
            (message.body().chain(footer).collect(), Some(ShortStr::from_static(ENCODED)))
        }
    }
}

/// A body of 0-9-1 of the type `amqp-1.0`.
pub(crate) struct Encoded {
    /// The sections of the body, and the footer behind them if there is one.
    pub(crate) sections: Bytes,
    pub(crate) has_footer: bool,
}

/// Looks for the sections in such a body; none when it is anything else, be it in part.
pub(crate) fn encoded(kind: Option<&str>, body: &[Bytes]) -> Option<Encoded> {
    if kind != Some(ENCODED) {
        return None;
    }
    let sections = match body {
        [whole] => whole.clone(),
        parts => parts.concat().into(),
    };
    let message = Message::parse(Pieces::from_buf([sections.clone()])).ok()?;
    let footer = message.footer().map_or(0, |footer| footer.as_bytes().len());
    let size = message.body().map(|part| part.len()).sum::<usize>();
    if message.body_kind() == BodyKind::Absent || size + footer != sections.len() {
        return None;
    }
    // The receiver is spared what it could not read.
    let mut reader = Reader::new(&sections);
    while reader.remaining() > 0 {
        skip(&mut reader).ok()?;
    }
    Some(Encoded { sections, has_footer: footer > 0 })
}

/// Appends octets as data: one section, unless that could not say its size.
pub(crate) fn push_data(head: BytesMut, body: &[Bytes], sections: &mut Pieces) {
    push_data_within(u32::MAX, head, body, sections);
}

fn push_data_within(size_max: u32, mut head: BytesMut, body: &[Bytes], sections: &mut Pieces) {
    let size = body.iter().map(Bytes::len).sum::<usize>();
    match u32::try_from(size) {
        Ok(size) if size <= size_max => {
            head.extend_from_slice(&data_section_head(size));
            sections.push(head.freeze());
            sections.extend(body.iter().filter(|part| !part.is_empty()).cloned());
        }
        _ => {
            for part in body {
                let mut part = part.clone();
                while !part.is_empty() {
                    let cut = part.split_to(part.len().min(size_max as usize));
                    head.extend_from_slice(&data_section_head(cut.len() as u32));
                    sections.extend([head.split().freeze(), cut]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_that_one_section_cannot_count_becomes_several() {
        let body = ["abcde", "", "fg"].map(|part| Bytes::from_static(part.as_bytes()));
        for (size_max, cuts) in
            [(7, &["abcdefg"][..]), (6, &["abcde", "fg"]), (3, &["abc", "de", "fg"])]
        {
            let mut sections = Pieces::new();
            push_data_within(size_max, BytesMut::new(), &body, &mut sections);
            let message = Message::parse(sections).unwrap();
            let data: Vec<_> = message.data().map(|section| section.concat()).collect();
            assert_eq!(data, cuts.iter().map(|cut| cut.as_bytes()).collect::<Vec<_>>());
        }
    }
}
