//! What comes back as it was, by the list in `docs/conversion.md`; and that everything converts.

use proptest::prelude::*;

use super::{
    generators::{any_properties, any_sections, body, properties, sections},
    *,
};

proptest! {
    #[test]
    fn a_message_of_0_9_1_comes_back_as_it_was(published in properties(), body in body()) {
        let list = PropertyList::from(&published);
        let there = to_amqp10(&list, &body, ROUTED, &[]);
        let mut whole = BytesMut::new();
        there.header.encode(&mut whole);
        let pieces = std::iter::once(whole.freeze()).chain(there.sections);
        let back = to_amqp091(&Message::parse(pieces.collect()).unwrap()).unwrap();
        prop_assert_eq!(back.properties, published);
        prop_assert_eq!(back.body.concat(), body.concat());
    }

    #[test]
    fn a_message_of_1_0_comes_back_as_it_was(sent in sections()) {
        let there = to_091(&sent);
        let (header, back) = to_10(&there.properties, &there.body);
        prop_assert_eq!(&header, &sent.header);
        let mut annotations = routed([]);
        for (key, value) in &sent.annotations {
            annotations.push(key.clone(), value.clone());
        }
        let mut expected = BytesMut::new();
        Sections { annotations, ..sent }.encode(&mut expected);
        prop_assert_eq!(Bytes::from(back), expected.freeze());
    }

    #[test]
    fn any_properties_become_sections_that_can_be_read(
        published in any_properties(),
        body in body(),
    ) {
        let (header, sections) = to_10(&published, &body);
        let mut whole = BytesMut::new();
        header.encode(&mut whole);
        whole.extend_from_slice(&sections);
        let message = Message::parse(Pieces::from_iter([whole.freeze()])).unwrap();
        to_amqp091(&message).unwrap();
    }

    #[test]
    fn any_sections_become_properties_that_can_be_read(sent in any_sections()) {
        let there = to_091(&sent);
        let list = PropertyList::from(&there.properties);
        prop_assert!(PropertyList::parse(list.as_bytes().clone()).is_ok());
        prop_assert_eq!(list.decode(), Ok(there.properties.clone()));
        to_10(&there.properties, &there.body);
    }

    /// Once over the border, nothing more is lost: what is left is of the list.
    #[test]
    fn a_second_crossing_changes_nothing(sent in any_sections()) {
        let once = to_091(&sent);
        let (header, sections) = to_10(&once.properties, &once.body);
        let mut whole = BytesMut::new();
        header.encode(&mut whole);
        whole.extend_from_slice(&sections);
        let message = Message::parse(Pieces::from_iter([whole.freeze()])).unwrap();
        let twice = to_amqp091(&message).unwrap();
        let list = PropertyList::from(&twice.properties);
        let again = to_amqp10(&list, &twice.body, ROUTED, &[]);
        prop_assert_eq!(again.header, header);
        prop_assert_eq!(again.sections.concat(), sections);
    }
}
