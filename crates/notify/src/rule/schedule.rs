//! The moment at which what was gathered goes. A pure function of what is held and the time; right
//! over changes of summer time, as it counts in times of day and not in hours.

use jiff::{SignedDuration, Timestamp, ZonedDateTime, civil, tz::TimeZone};

use super::{Quiet, When};

/// When something goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// At this moment, if nothing more comes before.
    At(Timestamp),
}

/// When what an outlet holds goes: `held` notices, at least one, the first of them at `first`.
/// Within a stretch of quiet it is the end of it. A time of day that summer time skips is taken
/// as much later as was skipped; one that comes twice is the first.
pub fn next_due(when: &When, first: Timestamp, held: u32, now: Timestamp) -> Due {
    // A zone was checked when the rule was saved; that the machine forgets it holds nothing up.
    let zone = when.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let due = match &when.digest {
        None => now,
        Some(digest) if digest.count.is_some_and(|count| held >= count) => now,
        Some(digest) => {
            let first = first.to_zoned_datetime(zone.clone());
            let after = match (digest.every_minutes, digest.daily, digest.weekly) {
                (Some(minutes), ..) => later(&first, i64::from(minutes)),
                (_, Some(at), _) => next_at(&first, at.time(), |_| true),
                (_, _, Some(week)) => {
                    next_at(&first, week.at.time(), |day| day.weekday() == week.day.day())
                }
                _ => later(&first, DIGEST_MINUTES_MAX),
            };
            after.max(now)
        }
    };
    match end_of_quiet(&when.quiet, due, &zone) {
        due if due <= now => Due::Now,
        due => Due::At(due),
    }
}

fn later(from: &ZonedDateTime, minutes: i64) -> Timestamp {
    let span = SignedDuration::from_secs(minutes * 60);
    from.timestamp().checked_add(span).unwrap_or(Timestamp::MAX)
}

/// The first moment after `from` that is `at` on a day that fits.
fn next_at(from: &ZonedDateTime, at: civil::Time, fits: impl Fn(civil::Date) -> bool) -> Timestamp {
    let mut day = from.date();
    // A week and a day: today's may have gone by.
    for _ in 0..=8 {
        if fits(day)
            && let Some(moment) = moment(day, at, from.time_zone())
            && moment > from.timestamp()
        {
            return moment;
        }
        match day.tomorrow() {
            Ok(tomorrow) => day = tomorrow,
            Err(_) => break,
        }
    }
    later(from, DIGEST_MINUTES_MAX)
}

fn moment(day: civil::Date, at: civil::Time, zone: &TimeZone) -> Option<Timestamp> {
    Some(day.to_datetime(at).to_zoned_datetime(zone.clone()).ok()?.timestamp())
}

/// `due` itself when no quiet is on then; else the end of all that follow on one another.
fn end_of_quiet(quiet: &[Quiet], due: Timestamp, zone: &TimeZone) -> Timestamp {
    let mut due = due;
    // Each turn ends one stretch; if they never end, something goes all the same.
    for _ in 0..=2 * quiet.len() {
        match quiet.iter().filter_map(|quiet| end(quiet, due, zone)).max() {
            Some(end) => due = end,
            None => break,
        }
    }
    due
}

/// The end of the stretch, if it is on at `now`.
fn end(quiet: &Quiet, now: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let today = now.to_zoned_datetime(zone.clone()).date();
    let yesterday = today.yesterday().unwrap_or(today);
    [yesterday, today].into_iter().find_map(|day| {
        let on = quiet.days.is_empty()
            || quiet.days.iter().any(|quiet_day| quiet_day.day() == day.weekday());
        let ends = match quiet.to > quiet.from {
            true => day,
            false => day.tomorrow().ok()?,
        };
        let from = moment(day, quiet.from.time(), zone)?;
        let to = moment(ends, quiet.to.time(), zone)?;
        (on && from <= now && now < to).then_some(to)
    })
}

/// A digest without a time goes after a day.
const DIGEST_MINUTES_MAX: i64 = 24 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    fn when(json: &str) -> When {
        let when: When = serde_json::from_str(json).unwrap();
        assert_eq!(when.problems(), [], "{json}");
        when
    }

    fn due(json: &str, first: &str, held: u32, now: &str) -> String {
        match next_due(&when(json), first.parse().unwrap(), held, now.parse().unwrap()) {
            Due::Now => "now".to_owned(),
            Due::At(at) => at.to_string(),
        }
    }

    #[test]
    fn at_once_is_now_and_a_digest_goes_by_count_or_time() {
        let (first, now) = ("2026-11-26T10:00:00Z", "2026-11-26T10:00:30Z");
        assert_eq!(due("{}", first, 1, now), "now");
        let digest = r#"{"digest": {"count": 10, "every_minutes": 30}}"#;
        assert_eq!(due(digest, first, 9, now), "2026-11-26T10:30:00Z");
        assert_eq!(due(digest, first, 10, now), "now");
        assert_eq!(due(digest, first, 1, "2026-11-26T10:30:00Z"), "now");
        let count = r#"{"digest": {"count": 10}}"#;
        assert_eq!(due(count, first, 1, now), "2026-11-27T10:00:00Z", "a day at the latest");
    }

    #[test]
    fn a_daily_digest_keeps_its_time_of_day_over_summer_time() {
        let daily = r#"{"digest": {"daily": "08:00"}, "zone": "Europe/Berlin"}"#;
        let (first, now) = ("2026-03-28T08:00:00Z", "2026-03-28T08:00:01Z");
        // 8:00 is 7:00 UTC on the 28th and 6:00 UTC on the 29th, when summer time begins.
        assert_eq!(due(daily, first, 1, now), "2026-03-29T06:00:00Z");
        assert_eq!(due(daily, "2026-10-24T07:00:00Z", 1, now), "2026-10-25T07:00:00Z");
        let skipped = r#"{"digest": {"daily": "02:30"}, "zone": "Europe/Berlin"}"#;
        assert_eq!(due(skipped, first, 1, now), "2026-03-29T01:30:00Z", "3:30, as 2:30 is not");
        let twice = "2026-10-24T22:30:00Z";
        assert_eq!(due(skipped, twice, 1, twice), "2026-10-25T00:30:00Z", "the first 2:30");
        assert_eq!(due(skipped, "2026-10-25T00:30:00Z", 1, twice), "2026-10-26T01:30:00Z");
    }

    #[test]
    fn a_weekly_digest_waits_for_its_day() {
        let weekly = r#"{"digest": {"weekly": {"day": "monday", "at": "09:00"}}}"#;
        let thursday = "2026-11-26T10:00:00Z";
        assert_eq!(due(weekly, thursday, 1, thursday), "2026-11-30T09:00:00Z");
        let monday = "2026-11-30T09:00:00Z";
        assert_eq!(due(weekly, monday, 1, monday), "2026-12-07T09:00:00Z", "what comes then waits");
    }

    #[test]
    fn nothing_goes_while_it_is_quiet() {
        let night = r#"{"quiet": [{"from": "22:00", "to": "07:00"}]}"#;
        let go = |now| due(night, now, 1, now);
        assert_eq!(go("2026-11-26T23:00:00Z"), "2026-11-27T07:00:00Z");
        assert_eq!(go("2026-11-26T06:59:59Z"), "2026-11-26T07:00:00Z");
        assert_eq!(go("2026-11-26T07:00:00Z"), "now");
        assert_eq!(go("2026-11-26T22:00:00Z"), "2026-11-27T07:00:00Z");

        let weekend = r#"{"quiet": [{"from": "22:00", "to": "07:00"},
            {"from": "00:00", "to": "23:59", "days": ["saturday", "sunday"]}]}"#;
        let friday_night = "2026-11-27T22:30:00Z";
        assert_eq!(due(weekend, friday_night, 1, friday_night), "2026-11-30T07:00:00Z");

        let digest = r#"{"digest": {"every_minutes": 60},
            "quiet": [{"from": "22:00", "to": "07:00"}]}"#;
        let late = "2026-11-26T21:30:00Z";
        assert_eq!(due(digest, late, 1, late), "2026-11-27T07:00:00Z");
    }

    #[test]
    fn quiet_without_an_end_holds_nothing_for_ever() {
        let always = r#"{"quiet": [{"from": "00:00", "to": "12:00"},
            {"from": "12:00", "to": "00:00"}]}"#;
        let now = "2026-11-26T10:00:00Z";
        let Due::At(at) = next_due(&when(always), now.parse().unwrap(), 1, now.parse().unwrap())
        else {
            panic!("it is quiet")
        };
        assert!(at < "2026-12-01T00:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_key() {
        for (json, key, said) in [
            (r#"{"digest": {}}"#, "digest", "says nothing"),
            (r#"{"digest": {"daily": "08:00", "every_minutes": 5}}"#, "digest", "keep one"),
            (r#"{"digest": {"count": 1}}"#, "digest.count", "take 2 to 10000"),
            (r#"{"zone": "Mars/Olympus"}"#, "zone", "write an IANA name"),
            (r#"{"quiet": [{"from": "08:00", "to": "08:00"}]}"#, "quiet", "no stretch"),
            (r#"{"rate": {"max": 0, "per_minutes": 60}}"#, "rate.max", "take 1"),
        ] {
            let when: When = serde_json::from_str(json).unwrap();
            let problems = when.problems();
            assert_eq!(problems.len(), 1, "{json} {problems:?}");
            assert!(problems[0].0 == key && problems[0].1.contains(said), "{problems:?}");
        }
        for clock in ["8:00", "24:00", "12:60", "noon", "+1:00", ""] {
            let error = clock.parse::<super::super::Clock>().unwrap_err();
            assert!(error.contains("write 00:00"), "{error}");
        }
    }
}
