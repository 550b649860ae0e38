//! IRC against a real network: InspIRCd, and Atheme for its accounts.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why")]

mod irc_server;
mod web_server;

use aws_lc_rs::digest::{SHA256, digest};
use irc_server::Network;
use notify::{Destination, Failure, IrcMessenger, Matter, Notice};
use web_server::{config, notice};

/// Fast enough for a test, slow enough for a strict server.
fn messenger(text: &str) -> Result<IrcMessenger, notify::Error> {
    let pace = "burst_lines = 5\nline_pause_ms = 250\ntimeout_s = 20";
    IrcMessenger::new(&config(&format!("[irc]\n{pace}\n{text}")).irc.unwrap())
}

fn plain(network: &Network) -> IrcMessenger {
    messenger(&format!("url = 'irc://127.0.0.1:{}'", network.plain)).unwrap()
}

#[tokio::test]
async fn people_and_channels_are_told_by_one_connection() {
    let Some(network) = Network::start().await else { return };
    // Somebody has its nick.
    let mut ada = network.person("tubepost").await;
    let messenger = plain(&network);
    let told = ":[git] ada pushed to kernel (main): fix the scheduler \
                https://git.example.org/kernel/c/1f2e3d";

    messenger.deliver(&notice("irc:Tubepost")).await.unwrap();
    let heard = ada.hear("PRIVMSG").await;
    assert!(heard.starts_with(":tubepost_!tubepost@"), "{heard}");
    assert!(heard.ends_with(&format!("PRIVMSG tubepost {told}")), "{heard}");

    let absent = messenger.deliver(&notice("irc:grace")).await.unwrap_err();
    assert!(
        matches!(&absent, Failure::Deferred(why) if why.contains("grace: No such nick")),
        "{absent:?}"
    );
    let mut grace = network.person("grace").await;
    messenger.deliver(&notice("irc:grace")).await.unwrap();
    assert!(grace.hear("PRIVMSG").await.ends_with(told));

    ada.say("JOIN #kernel").await;
    ada.hear(" 366 ").await;
    messenger.deliver(&notice("irc:#kernel")).await.unwrap();
    let heard = ada.hear_until("PRIVMSG #kernel").await;
    assert!(heard[0].contains("JOIN") && heard[1].ends_with(told), "{heard:?}");

    // Whoever is thrown out comes back with the next notice, if the channel lets it.
    ada.say("MODE #kernel +i").await;
    ada.say("KICK #kernel tubepost_").await;
    ada.hear("KICK").await;
    let outside = messenger.deliver(&notice("irc:#kernel")).await.unwrap_err();
    assert!(matches!(&outside, Failure::Deferred(why) if why.contains("#kernel")), "{outside:?}");
    ada.say("MODE #kernel -i+m").await;
    ada.hear("-i+m").await;
    let silent = messenger.deliver(&notice("irc:#kernel")).await.unwrap_err();
    assert!(matches!(silent, Failure::Deferred(_)), "{silent:?}");
    ada.say("MODE #kernel -m").await;
    ada.hear("-m").await;
    messenger.deliver(&notice("irc:#kernel")).await.unwrap();
    ada.hear("PRIVMSG #kernel").await;

    ada.say("WHOIS tubepost_").await;
    let whois = ada.hear_until(" 318 ").await;
    assert!(whois.iter().any(|line| line.contains("#kernel")), "{whois:?}");
    drop(messenger);
    let quit = ada.hear("QUIT").await;
    assert!(quit.contains(":tubepost_!"), "{quit}");
}

#[tokio::test]
async fn what_an_event_says_is_one_persons_text_and_slow_enough_for_the_server() {
    let Some(network) = Network::start_strict().await else { return };
    let mut ada = network.person("ada").await;
    let hostile = |summary: &str| {
        let mut notice = notice("irc:ada");
        let mut description = (*notice.description).clone();
        description.summary = summary.to_owned();
        description.link = None;
        notice.description = description.into();
        notice
    };
    let messenger = plain(&network);
    let injected = "\u{3}04red\r\nPRIVMSG grace :x\r\nQUIT :bye\0\u{1}VERSION\u{1}\u{1b}[31m";
    messenger.deliver(&hostile(injected)).await.unwrap();
    let heard = ada.hear("PRIVMSG").await;
    assert!(heard.ends_with(":[git] red PRIVMSG grace :x QUIT :bye VERSION [31m"), "{heard:?}");
    let long = "ö".repeat(299);
    messenger.deliver(&hostile(&long)).await.unwrap();
    let mut whole = String::new();
    while whole.matches('ö').count() < 299 {
        let heard = ada.hear("PRIVMSG").await;
        assert!(heard.len() <= 510 && !heard.contains('\u{fffd}'), "{heard}");
        whole.push_str(&heard);
    }

    let digest = |to: &str| {
        let mut notice: Notice = notice(to);
        let (event, description) = (notice.event.clone(), notice.description.clone());
        notice.more = vec![Matter { event, description }; 30];
        notice
    };
    for _ in 0..2 {
        messenger.deliver(&digest("irc:ada")).await.unwrap();
        let heard = ada.hear_until("… and 24 more").await;
        assert_eq!(heard.len(), 9, "{heard:?}");
    }
    // The server means it.
    let hasty = format!(
        "url = 'irc://127.0.0.1:{}'\nburst_lines = 100\nline_pause_ms = 0\nnick = 'hasty'\n\
         timeout_s = 20",
        network.plain
    );
    let hasty = IrcMessenger::new(&config(&format!("[irc]\n{hasty}")).irc.unwrap()).unwrap();
    let mut outcomes = Vec::new();
    while outcomes.len() < 20 && outcomes.last().is_none_or(Result::is_ok) {
        outcomes.push(hasty.deliver(&digest("irc:ada")).await);
    }
    let flooded = |outcome: &Result<(), Failure>| matches!(outcome, Err(Failure::Away(why)) if why.contains("Flood"));
    assert!(outcomes.iter().any(flooded), "{outcomes:?}");
}

#[tokio::test]
async fn a_connection_that_is_lost_is_away_and_made_anew() {
    let Some(mut network) = Network::start().await else { return };
    let messenger = plain(&network);
    let ada = network.person("ada").await;
    messenger.deliver(&notice("irc:ada")).await.unwrap();
    network.end();
    let away = messenger.deliver(&notice("irc:ada")).await.unwrap_err();
    assert!(matches!(away, Failure::Away(_)), "{away:?}");
    let away = messenger.deliver(&notice("irc:ada")).await.unwrap_err();
    assert!(
        matches!(&away, Failure::Away(why) if why.contains("notify.irc.url")),
        "nobody listens: {away:?}"
    );
    drop(ada);
    network.begin().await;
    let mut ada = network.person("ada").await;
    messenger.deliver(&notice("irc:ada")).await.unwrap();
    ada.hear("PRIVMSG ada").await;
}

#[tokio::test]
async fn it_logs_in_by_password_or_certificate_and_only_by_tls_to_whom_it_trusts() {
    let Some(network) = Network::start_with_services().await else { return };
    let mut ada = network.person("ada").await;
    ada.say("PRIVMSG NickServ :REGISTER s3cret-w0rd ada@irc.test").await;
    ada.hear("is now registered").await;

    let url = format!("url = 'ircs://localhost:{}'", network.tls);
    let ca = format!("{url}\nca_file = '{}'", network.file("certificate.pem").display());
    let password = format!("{ca}\naccount = 'ada'\npassword = 's3cret-w0rd'");
    messenger(&password).unwrap().deliver(&notice("irc:ada")).await.unwrap();
    ada.hear("PRIVMSG ada").await;

    let wrong = password.replace("s3cret-w0rd", "hunter2-w0rd");
    let away = messenger(&wrong).unwrap().deliver(&notice("irc:ada")).await.unwrap_err();
    assert!(
        matches!(&away, Failure::Away(why) if why.contains("login is refused")
            && why.contains("notify.irc.account") && !why.contains("hunter2")),
        "{away:?}"
    );
    let untrusted = password.replace(&ca, &url);
    let away = messenger(&untrusted).unwrap().deliver(&notice("irc:ada")).await.unwrap_err();
    assert!(matches!(&away, Failure::Away(why) if why.contains("TLS")), "{away:?}");

    let own = rcgen::generate_simple_self_signed(["bot".to_owned()]).unwrap();
    std::fs::write(network.file("own.pem"), own.cert.pem()).unwrap();
    std::fs::write(network.file("own.key"), own.signing_key.serialize_pem()).unwrap();
    let certificate = format!(
        "{ca}\ncertificate_file = '{}'\nkey_file = '{}'",
        network.file("own.pem").display(),
        network.file("own.key").display()
    );
    let external = messenger(&certificate).unwrap();
    let away = external.deliver(&notice("irc:ada")).await.unwrap_err();
    assert!(
        matches!(&away, Failure::Away(why) if why.contains("fingerprint")),
        "the account does not know it yet: {away:?}"
    );
    let hash = digest(&SHA256, own.cert.der());
    let print: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    ada.say(&format!("PRIVMSG NickServ :CERT ADD {print}")).await;
    ada.hear("Added fingerprint").await;
    external.deliver(&notice("irc:ada")).await.unwrap();
    ada.hear("PRIVMSG ada").await;
}
