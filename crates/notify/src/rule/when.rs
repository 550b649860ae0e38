//! When what a rule matched is told: at once or gathered, not at night, not too often. The form and
//! what can be wrong with it; `schedule` works out the moment.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::texts;

/// When an outlet tells. What is left out does not hold anything back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Gather several into one; without it each goes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Times at which nothing goes; what comes then goes when they end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<Quiet>,
    /// The IANA zone that all times of day are of, `Europe/Berlin`; UTC if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// How many may go; what is more is held back, and summed up in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// The destination, by id, that takes what the others refuse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
}

/// When a digest goes: whatever of these comes first; of the times at most one. One by count alone
/// goes after a day at the latest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Digest {
    /// When there are so many, 2 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// So many minutes after its first, 1 to 10,080 (a week).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every_minutes: Option<u32>,
    /// Each day at this time.
    #[serde(default, with = "texts::optional", skip_serializing_if = "Option::is_none")]
    pub daily: Option<Clock>,
    /// Each week at this day and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weekly: Option<Weekly>,
}

/// A time of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weekly {
    /// The day.
    pub day: Weekday,
    /// The time.
    #[serde(with = "texts::text")]
    pub at: Clock,
}

/// A stretch of the day at which nothing goes; it may go over midnight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When it begins.
    #[serde(with = "texts::text")]
    pub from: Clock,
    /// When it ends; the next day, if that is not later.
    #[serde(with = "texts::text")]
    pub to: Clock,
    /// The days on which it begins; empty: on all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<Weekday>,
}

/// How many may go in a stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// So many, 1 to 10,000.
    pub max: u32,
    /// In so many minutes, 1 to 1,440.
    pub per_minutes: u32,
}

/// A time of day, to the minute: `08:30`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    hour: i8,
    minute: i8,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are the days")]
pub enum Weekday {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    Sunday,
}

impl When {
    /// Whether it says nothing.
    pub fn is_at_once(&self) -> bool {
        *self == When::default()
    }

    /// What is wrong, by key.
    pub(crate) fn problems(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let mut within = |key, value: Option<u32>, low: u32, high: u32| {
            if let Some(value) = value.filter(|value| !(low..=high).contains(value)) {
                problems.push((key, format!("is {value}; take {low} to {high}")));
            }
        };
        if let Some(digest) = &self.digest {
            within("digest.count", digest.count, 2, 10_000);
            within("digest.every_minutes", digest.every_minutes, 1, WEEK_MINUTES);
        }
        if let Some(rate) = self.rate {
            within("rate.max", Some(rate.max), 1, 10_000);
            within("rate.per_minutes", Some(rate.per_minutes), 1, 1440);
        }
        if let Some(digest) = &self.digest {
            let times =
                [digest.every_minutes.is_some(), digest.daily.is_some(), digest.weekly.is_some()];
            match times.iter().filter(|&&is_set| is_set).count() {
                0 if digest.count.is_none() => problems.push((
                    "digest",
                    "says nothing; set count, every_minutes, daily or weekly".to_owned(),
                )),
                0 | 1 => {}
                _ => problems.push((
                    "digest",
                    "has several times; keep one of every_minutes, daily and weekly".to_owned(),
                )),
            }
        }
        if self.quiet.len() > QUIET_MAX {
            let problem = format!("has {} stretches, more than {QUIET_MAX}", self.quiet.len());
            problems.push(("quiet", problem));
        }
        for quiet in &self.quiet {
            if quiet.from == quiet.to {
                let problem = format!("from {0} to {0} is no stretch of time", quiet.from);
                problems.push(("quiet", problem));
            }
        }
        if let Some(zone) = &self.zone
            && jiff::tz::TimeZone::get(zone).is_err()
        {
            let problem = format!(
                "'{zone}' is no time zone this machine knows; write an IANA name: Europe/Berlin"
            );
            problems.push(("zone", problem));
        }
        problems
    }
}

impl Clock {
    /// The time as jiff has it.
    pub(crate) fn time(self) -> jiff::civil::Time {
        jiff::civil::time(self.hour, self.minute, 0, 0)
    }
}

impl FromStr for Clock {
    type Err = String;

    fn from_str(text: &str) -> Result<Clock, String> {
        let part = |text: &str, max: i8| {
            let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|value: &i8| digits && *value <= max)
        };
        text.split_once(':')
            .and_then(|(hour, minute)| {
                Some(Clock { hour: part(hour, 23)?, minute: part(minute, 59)? })
            })
            .ok_or_else(|| format!("'{text}' is not a time of day; write 00:00 to 23:59"))
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.hour, self.minute)
    }
}

impl Weekday {
    /// The day as jiff has it.
    pub(crate) fn day(self) -> jiff::civil::Weekday {
        use jiff::civil::Weekday as Day;
        match self {
            Weekday::Monday => Day::Monday,
            Weekday::Tuesday => Day::Tuesday,
            Weekday::Wednesday => Day::Wednesday,
            Weekday::Thursday => Day::Thursday,
            Weekday::Friday => Day::Friday,
            Weekday::Saturday => Day::Saturday,
            Weekday::Sunday => Day::Sunday,
        }
    }
}

const WEEK_MINUTES: u32 = 7 * 24 * 60;
const QUIET_MAX: usize = 14;
