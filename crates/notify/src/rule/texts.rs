//! Values of a rule that are written as text.

/// A list of severities by name.
pub(crate) mod severities {
    use event::Severity;
    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(values: &[Severity], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(|severity| severity.name()))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Severity>, D::Error> {
        let names = super::one_or_many(from)?;
        names.iter().map(|name| name.parse().map_err(serde::de::Error::custom)).collect()
    }
}

/// Something with a text form.
pub(crate) mod text {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
        from: D,
    ) -> Result<T, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// As [`text`], or nothing.
pub(crate) mod optional {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Display>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        super::text::deserialize(from).map(Some)
    }
}

/// A list of things with a text form; one alone is a list of one.
pub(crate) mod list {
    use std::{fmt::Display, str::FromStr};

    use serde::{Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer, T: Display>(
        values: &[T],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let texts = super::one_or_many(from)?;
        texts.iter().map(|text| text.parse().map_err(serde::de::Error::custom)).collect()
    }
}

/// Strings, or one alone.
pub(crate) fn one_or_many<'de, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Vec<String>, D::Error> {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    match OneOrMany::deserialize(from) {
        Ok(OneOrMany::One(text)) => Ok(vec![text]),
        Ok(OneOrMany::Many(texts)) => Ok(texts),
        Err(_) => Err(serde::de::Error::custom("expected a string or a list of strings")),
    }
}
