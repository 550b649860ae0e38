//! A hash that is the same in every run and every version: where a message went yesterday it goes
//! tomorrow. Not for tables, whose keys peers choose.

/// FNV-1a, stirred.
pub(super) fn of(bytes: &[u8]) -> u64 {
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    }))
}

/// The output function of splitmix64: every bit of `number` changes half of the result.
pub(super) fn mixed(number: u64) -> u64 {
    let mut hash = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

/// A number below `count`, of the hash's high bits; 0 when there is none.
pub(super) fn below(hash: u64, count: usize) -> usize {
    ((u128::from(hash) * count as u128) >> 64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_was() {
        // splitmix64's first number, and a value reckoned elsewhere: a change of either would send
        // messages to other queues.
        assert_eq!(mixed(0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(of(b"org.example.git.receive"), 0xbdd9_257b_b9e1_2188);
        assert_ne!(of(b"a"), of(b"b"));
    }

    #[test]
    fn a_number_below_the_count() {
        assert_eq!((below(u64::MAX, 0), below(0, 7), below(u64::MAX, 7)), (0, 0, 6));
    }
}
