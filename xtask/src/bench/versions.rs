//! Tubepost by AMQP 1.0 beside Tubepost by AMQP 0-9-1: a table of its own, with the ratio of the
//! two.

use super::{
    START,
    contender::Contender,
    document::numbered,
    table::{Row, table},
};

/// Everybody else, with what they did.
pub(super) struct Others {
    pub(super) contenders: Vec<Contender>,
    pub(super) rows: Vec<Row>,
}

/// All but Tubepost by AMQP 1.0.
pub(super) fn without(contenders: &[Contender], rows: &[Row]) -> Others {
    let is_other = |contender: &&Contender| **contender != Contender::TubepostBy10;
    let rows = rows
        .iter()
        .map(|row| {
            let findings = contenders.iter().zip(&row.findings);
            let findings = findings.filter(|(it, _)| is_other(it)).map(|(_, it)| it.clone());
            Row { case: row.case.clone(), findings: findings.collect() }
        })
        .collect();
    Others { contenders: contenders.iter().filter(is_other).cloned().collect(), rows }
}

/// The table of both protocols, of the cases that were measured by both; none, when AMQP 1.0 was
/// not asked for.
pub(super) fn section(contenders: &[Contender], rows: &[Row]) -> Option<String> {
    let place = |of: &Contender| contenders.iter().position(|it| it == of);
    let (by10, by091) = (place(&Contender::TubepostBy10)?, place(&Contender::Tubepost)?);
    let rows: Vec<Row> = rows
        .iter()
        .filter_map(|row| {
            let findings = vec![row.findings.get(by10)?.clone(), row.findings.get(by091)?.clone()];
            // It is started the same way for both.
            (row.case != START).then(|| Row { case: row.case.clone(), findings })
        })
        .collect();
    let (table, footnotes) = table(&["by 1.0".to_owned(), "by 0-9-1".to_owned()], &rows);
    let footnotes = match footnotes.is_empty() {
        true => String::new(),
        false => format!("\n{}", numbered(&footnotes)),
    };
    (!rows.is_empty()).then(|| format!("{table}{footnotes}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bench::load::Finding;

    #[test]
    fn the_two_protocols_stand_side_by_side_and_apart_from_the_others() {
        let of = |rate: f64| Finding::Figures(json!({ "delivered_per_s": rate }));
        let contenders = [Contender::Tubepost, Contender::Nats, Contender::TubepostBy10];
        let unstarted = Finding::None("it starts as it does".to_owned());
        let rows = [
            Row { case: "start".to_owned(), findings: vec![of(1.0), of(1.0), unstarted] },
            Row { case: "A16".to_owned(), findings: vec![of(4e6), of(2e6), of(3.6e6)] },
        ];
        let text = section(&contenders, &rows).unwrap();
        assert!(text.contains("0.900×") && text.contains("3.60 M"), "{text}");
        assert!(!text.contains("start") && !text.contains("2.00 M"), "{text}");
        let others = without(&contenders, &rows);
        assert_eq!(others.contenders, [Contender::Tubepost, Contender::Nats]);
        assert!(others.rows.iter().all(|row| row.findings.len() == 2));
        assert!(section(&contenders[..2], &others.rows).is_none());
    }
}
