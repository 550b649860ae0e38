//! Definitions: everything that is declared, as one document.

use axum::http::header;
use broker::authorize::{Action, Resource};
use definitions::Definitions;

use crate::{
    answer::{Answer, Outcome},
    call::Call,
    multipart,
    refusal::Refusal,
};

/// `GET /api/definitions`.
pub(crate) fn export(call: &Call) -> Outcome {
    call.need(Action::ExportDefinitions, &Resource::Broker)?;
    answer(Definitions::export(&call.site.broker, &call.site.users))
}

/// `GET /api/definitions/VHOST`: what is in it, so that it fits into another.
pub(crate) fn export_vhost(call: &Call) -> Outcome {
    let vhost = call.vhost(call.place(0))?;
    call.need(Action::ExportDefinitions, &Resource::Broker)?;
    answer(Definitions::export_vhost(&call.site.broker, &vhost))
}

fn answer(mut definitions: Definitions) -> Outcome {
    // What reads them looks at these.
    definitions.rabbit_version = Some(server::PRODUCT_VERSION.to_owned());
    definitions.rabbitmq_version = Some(server::PRODUCT_VERSION.to_owned());
    let value = serde_json::to_value(definitions).map_err(|error| {
        Refusal::internal(format!("the definitions cannot be written: {error}"))
    })?;
    Ok(Answer::Json(value))
}

/// `POST /api/definitions`.
pub(crate) fn import(call: &Call) -> Outcome {
    call.need(Action::ImportDefinitions, &Resource::Broker)?;
    take(call, read(call)?)
}

/// `POST /api/definitions/VHOST`.
pub(crate) fn import_vhost(call: &Call) -> Outcome {
    let vhost = call.known_vhost(call.place(0)).map_err(|it| it.named("not_found"))?;
    call.need(Action::ImportDefinitions, &Resource::Broker)?;
    take(call, read(call)?.of_vhost(vhost.name()))
}

/// The body, or the file of a form.
fn read(call: &Call) -> Result<Definitions, Refusal> {
    let of_type = call.headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let text = match of_type.filter(|it| it.trim_start().starts_with("multipart/form-data")) {
        Some(of_type) => multipart::file(of_type, &call.body)
            .map_err(|reason| Refusal::bad_request(format!("failed_to_parse_form: {reason}")))?,
        None => &call.body,
    };
    let text = std::str::from_utf8(text)
        .map_err(|error| Refusal::bad_request(format!("failed_to_parse_json: {error}")))?;
    Definitions::parse(text)
        .map_err(|error| Refusal::bad_request(format!("failed_to_parse_json: {error}")))
}

fn take(call: &Call, definitions: Definitions) -> Outcome {
    call.forget_departed()?;
    let imported = definitions
        .import(&call.site.broker, &call.site.users)
        .map_err(|error| Refusal::bad_request(error.to_string()))?;
    for note in &imported.notes {
        tracing::info!("definitions: {note}");
    }
    Ok(Answer::Done)
}
