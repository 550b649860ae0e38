//! What keeps `tubepost serve` from starting: said at once, and nothing touched.

use std::{fs, net::TcpListener};

use crate::home::Home;

const ANY: [&str; 4] = ["--amqp", "127.0.0.1:0", "--http", "127.0.0.1:0"];

fn serve(home: &Home, arguments: &[&str]) -> crate::home::Ended {
    let arguments: Vec<&str> = ["serve"].iter().chain(arguments).copied().collect();
    home.run(&arguments)
}

#[test]
fn a_port_in_use_is_named_with_the_flag_that_mends_it() {
    let home = Home::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--amqp", "--http"), ("--http", "--amqp")] {
        let ended = serve(&home, &[flag, &address, other, "127.0.0.1:0"]);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.said.contains(&format!("{address} is in use")), "{ended:?}");
        assert!(ended.said.contains(&format!("another address with {flag}")), "{ended:?}");
    }
}

#[test]
fn beyond_loopback_it_does_not_start_until_there_is_a_user() {
    let home = Home::new();
    for flags in [
        ["--amqp", "0.0.0.0:0", "--http", "127.0.0.1:0"],
        ["--amqp", "127.0.0.1:0", "--http", "[::]:0"],
    ] {
        let ended = serve(&home, &flags);
        assert_eq!(ended.code, 1, "{ended:?}");
        assert!(ended.said.contains("tubepost user add"), "{ended:?}");
    }
}

#[test]
fn a_newer_data_directory_is_refused_and_left_alone() {
    let home = Home::new();
    home.write("tubepost-data/format", "tubepost 999\n");
    let ended = serve(&home, &ANY);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("is of format 999"), "{ended:?}");
    let left: Vec<_> = fs::read_dir(home.path("tubepost-data")).unwrap().collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn a_directory_of_something_else_is_refused() {
    let home = Home::new();
    home.write("thesis/chapter1.tex", "x");
    let ended = serve(&home, &[&ANY[..], &["--data-dir", "thesis"]].concat());
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("data directory thesis: is not a data directory"), "{ended:?}");
    assert!(!home.path("thesis/format").exists());
}

#[test]
fn an_unknown_host_to_listen_on_is_named() {
    let home = Home::new();
    let ended = serve(&home, &["--amqp", "no-such-host.invalid:5672", "--http", "127.0.0.1:0"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("no-such-host.invalid:5672"), "{ended:?}");
}

#[test]
fn an_address_of_another_machine_is_named() {
    let home = Home::new();
    home.run(&["user", "add", "ada", "--generate"]);
    // TEST-NET-1, RFC 5737.
    let ended = serve(&home, &["--amqp", "192.0.2.1:5672", "--http", "127.0.0.1:0"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.said.contains("192.0.2.1:5672 is not an address of this machine"), "{ended:?}");
}
