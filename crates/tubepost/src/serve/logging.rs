//! What is logged, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::{
    config::{Config, LogFormat},
    failure::Failure,
};

/// Begins to log warnings only, as lines among a command's other remarks: the bus is away, it is
/// back.
pub(crate) fn begin_warnings() {
    let log = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new("warn"))
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(is_coloured());
    // Fails only when a log was begun already.
    _ = log.try_init();
}

/// Begins to log.
///
/// # Errors
/// The level is none; that was checked with the settings.
pub(crate) fn begin(config: &Config) -> Result<(), Failure> {
    let filter = EnvFilter::builder().parse(&config.log_level).map_err(|error| {
        Failure::called_wrongly(format!("log.level: '{}': {error}", config.log_level))
    })?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(is_coloured());
    // Fails only when a log was begun already.
    _ = match config.log_format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
    Ok(())
}

fn is_coloured() -> bool {
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    wanted && std::io::stderr().is_terminal()
}
