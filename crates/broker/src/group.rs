//! Groups of messages that belong together (AMQP 1.0 §3.2.4, `group-id`; JMS `JMSXGroupID`).

/// A message's group, by one of 127 numbers: what two groups of one number share is that they go to
/// the same consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Group(u8);

impl Group {
    /// The number of a group of this name. It is in data directories: the same for ever.
    pub fn of(name: &[u8]) -> Group {
        // FNV-1a, 64 bits: short, and spread well enough over so few.
        let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, octet| {
            (hash ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Group(1 + (hash % u64::from(COUNT)) as u8)
    }

    pub(crate) fn number(self) -> u8 {
        self.0
    }

    /// 0 is none.
    pub(crate) fn numbered(number: u8) -> Option<Group> {
        (1..=COUNT).contains(&number).then_some(Group(number))
    }
}

/// What fits beside a flag into an octet.
const COUNT: u8 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_same_number_for_ever_and_names_are_spread() {
        assert_eq!(Group::of(b"orders").number(), Group::of(b"orders").number());
        let numbers: std::collections::BTreeSet<u8> =
            (0..1000).map(|n| Group::of(format!("group {n}").as_bytes()).number()).collect();
        assert!(numbers.len() > 120 && numbers.iter().all(|it| (1..=127).contains(it)));
        assert_eq!(Group::numbered(0), None);
    }
}
