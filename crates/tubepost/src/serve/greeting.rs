//! What `serve` says when it is ready.

use std::{env, net::SocketAddr};

use anstyle::{AnsiColor, Style};

use crate::{
    config::{Config, table},
    failure::Failure,
    serve::broker_part::sync_notice,
    terminal::print_line,
};

/// Where it listens.
#[derive(Debug)]
pub(crate) struct Ports {
    /// For AMQP.
    pub(crate) amqp: Vec<SocketAddr>,
    /// For AMQP over TLS.
    pub(crate) amqp_tls: Vec<SocketAddr>,
    /// For the pages.
    pub(crate) http: Vec<SocketAddr>,
    /// For the HTTP API.
    pub(crate) management: Vec<SocketAddr>,
}

/// Where it listens, and three commands to try next. The commands can be copied as they are.
///
/// # Errors
/// Nobody reads it.
pub(crate) fn greet(config: &Config, ports: &Ports, subscriptions: usize) -> Result<(), Failure> {
    lines(config, ports, subscriptions, &program()).iter().try_for_each(|line| print_line(line))
}

fn lines(config: &Config, ports: &Ports, subscriptions: usize, program: &str) -> Vec<String> {
    let (bold, dim) = (Style::new().bold(), Style::new().dimmed());
    let link = AnsiColor::Cyan.on_default();
    let mut lines = vec![format!("{bold}Tubepost listens.{bold:#}")];
    lines.extend(ports.amqp.iter().map(|address| format!("  AMQP   {address}")));
    lines.extend(ports.amqp_tls.iter().map(|address| format!("  AMQPS  {address}")));
    lines.extend(
        ports.http.iter().map(|address| format!("  pages  {link}http://{address}/{link:#}")),
    );
    lines.extend(
        ports
            .management
            .iter()
            .map(|address| format!("  API    {link}http://{address}/api/{link:#}")),
    );
    lines.push(format!("  data   {}", config.data_dir.display()));
    let notice = sync_notice(config.journal_sync);
    if let Some(notice) = notice.filter(|_| !ports.amqp.is_empty()) {
        let warning = AnsiColor::Yellow.on_default().bold();
        lines.push(format!("         {warning}{notice}{warning:#}"));
    }
    match subscriptions {
        0 => {}
        1 => lines.push("  mail   1 subscription".to_owned()),
        more => lines.push(format!("  mail   {more} subscriptions")),
    }
    if ports.amqp.is_empty() {
        let bus = table::BUS_URL.declaration.mask.apply(&config.bus_url);
        lines.push(format!("  bus    {bus}"));
        return lines;
    }
    lines.push(String::new());
    lines.push(format!("{dim}Try next, in another terminal:{dim:#}"));
    // The commands find the usual address by themselves.
    if let Some(bus) = ports.amqp.first().filter(|address| address.to_string() != "127.0.0.1:5672")
    {
        let bus = crate::config::local(*bus);
        lines.push(format!("  export TUBEPOST_BUS=amqp://guest:guest@{bus}"));
    }
    lines.push(format!("  {program} tail"));
    lines.push(format!("  {program} publish org.example.hello '{{\"agent\": \"ada\"}}'"));
    lines.push(format!("  {program} hook git install REPOSITORY"));
    lines
}

// As it was called, when that was by a path.
fn program() -> String {
    env::args().next().filter(|name| name.contains('/')).unwrap_or_else(|| "tubepost".to_owned())
}
