//! Exchanges: declared, looked at, deleted.

use amqp10::types::{Map, Value};
use broker::{Arguments, ExchangeDeclaration, ExchangeKind};

use super::{
    answer::{Answer, Outcome, Refusal, Status},
    arguments::{arguments, shown as shown_arguments},
    call::{Call, check_line_breaks, refuse_default},
    request::term,
};

/// `GET /exchanges/EXCHANGE`, which RabbitMQ does not have.
pub(super) fn get(call: &mut Call<'_>, name: &str) -> Outcome {
    refuse_default(name)?;
    call.access.may_inspect_exchange(name).map_err(Refusal::of)?;
    match call.vhost().exchange(name) {
        Some(exchange) => Ok(Answer::new(Status::Ok, shown(call, &exchange))),
        None => Err(call.not_found("exchange", name)),
    }
}

/// `PUT /exchanges/EXCHANGE`.
pub(super) fn put(call: &mut Call<'_>, name: &str, body: &Value) -> Outcome {
    let declaration = declaration(call, name, body)?;
    refuse_default(name)?;
    let is_new = call.vhost().exchange_kind(name).is_none();
    if is_new {
        call.check_new_name("exchange", name)?;
    }
    let declared = call.access.declare_exchange(declaration);
    declared.map_err(|refused| match is_new {
        true => Refusal::of(refused),
        false => Refusal::of_declaration(refused),
    })?;
    Ok(Answer::done())
}

fn declaration(call: &Call<'_>, name: &str, body: &Value) -> Result<ExchangeDeclaration, Refusal> {
    let Value::Map(fields) = body else {
        return Err(Refusal::bad_request(format!("an exchange is a map, not {}", term(body))));
    };
    let mut exchange = ExchangeDeclaration {
        name: name.into(),
        kind: ExchangeKind::Direct,
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Arguments::default(),
    };
    for (field, value) in fields {
        match (field.as_text(), value) {
            (Some("durable"), Value::Boolean(it)) => exchange.durable = *it,
            (Some("auto_delete"), Value::Boolean(it)) => exchange.auto_delete = *it,
            (Some("internal"), Value::Boolean(it)) => exchange.internal = *it,
            (Some("type"), Value::String(it)) => {
                exchange.kind = it.parse().map_err(Refusal::of)?;
            }
            (Some("arguments"), value) => exchange.arguments = arguments(value, call.limits)?,
            _ => {
                let text = format!("bad exchange property {{{},{}}}", term(field), term(value));
                return Err(Refusal::bad_request(text));
            }
        }
    }
    Ok(exchange)
}

/// `DELETE /exchanges/EXCHANGE`. One that is not there is deleted already.
pub(super) fn delete(call: &mut Call<'_>, name: &str) -> Outcome {
    check_line_breaks(name)?;
    refuse_default(name)?;
    call.check_reserved("exchange", name)?;
    call.access.delete_exchange(&name.into(), false).map_err(Refusal::of)?;
    Ok(Answer::done())
}

fn shown(call: &Call<'_>, exchange: &ExchangeDeclaration) -> Map {
    [
        ("name", Value::from(&*exchange.name)),
        ("vhost", (&**call.vhost().name()).into()),
        ("type", exchange.kind.name().into()),
        ("durable", exchange.durable.into()),
        ("auto_delete", exchange.auto_delete.into()),
        ("internal", exchange.internal.into()),
        ("arguments", shown_arguments(&exchange.arguments)),
    ]
    .into_iter()
    .collect()
}
