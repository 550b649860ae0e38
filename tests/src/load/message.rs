//! The messages of the load: each has a number of its own publisher, and a body that follows from
//! it, so that every altered byte is seen.

use std::{fmt, str::FromStr};

use anyhow::{Context as _, Error};
use fastrand::Rng;

/// Which message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct MessageId {
    /// Who published it.
    pub(crate) publisher: u8,
    /// The how manieth of that publisher.
    pub(crate) number: u64,
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.publisher, self.number)
    }
}

impl FromStr for MessageId {
    type Err = Error;

    fn from_str(text: &str) -> Result<MessageId, Error> {
        let (publisher, number) = text.split_once('-').context("no message of this load")?;
        Ok(MessageId { publisher: publisher.parse()?, number: number.parse()? })
    }
}

impl MessageId {
    /// Its body: of every size, so that records end anywhere in the journal's pages and sectors,
    /// and now and then larger than a segment of the smallest size.
    pub(crate) fn body(self) -> Vec<u8> {
        let mut rng = Rng::with_seed(self.number << 8 | u64::from(self.publisher));
        let size = match rng.u32(0..4000) {
            0..3000 => rng.usize(0..300),
            3000..3900 => rng.usize(300..4000),
            3900..3998 => rng.usize(4000..40_000),
            _ => rng.usize(100_000..300_000),
        };
        let mut body = vec![0; size];
        rng.fill(&mut body);
        body
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_its_body_is_its_own() {
        let id = MessageId { publisher: 2, number: 77 };
        assert_eq!(id.to_string().parse::<MessageId>().unwrap(), id);
        assert!("77".parse::<MessageId>().is_err() && "x-1".parse::<MessageId>().is_err());
        assert_eq!(id.body(), id.body());
        let bodies: Vec<_> = (0..2000).map(|number| MessageId { number, ..id }.body()).collect();
        assert!(bodies.iter().any(|body| body.len() < 100));
        assert!(bodies.iter().any(|body| body.len() > 4096));
    }
}
