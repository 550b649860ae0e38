//! Matrix against a real homeserver, Synapse: one for all of it, as it takes its time to begin.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may fail and say why")]

mod matrix_server;
mod web_server;

use std::time::{Duration, Instant};

use http_door::call::Method;
use matrix_server::{Synapse, User};
use notify::{Destination, Failure, MatrixMessenger, Notice};
use serde_json::{Value, json};
use web_server::{WebServer, config, notice};

fn messenger(synapse: &Synapse, login: &str) -> MatrixMessenger {
    let authority = synapse.authority().display().to_string();
    let text = format!("[matrix]\nurl = '{}'\nca_file = '{authority}'\n{login}", synapse.url);
    MatrixMessenger::new(&config(&text).matrix.unwrap()).unwrap()
}

/// Another event each time.
fn another(to: &str, id: &str) -> Notice {
    let mut notice = notice(to);
    let mut event = (*notice.event).clone();
    event.id = id.to_owned();
    notice.event = event.into();
    notice
}

#[tokio::test]
async fn people_and_rooms_are_told_on_a_real_homeserver() {
    let Some(synapse) = Synapse::start().await else { return };
    let (bot, ada) = (synapse.register("tubepost").await, synapse.register("ada").await);
    let token = messenger(&synapse, &format!("token = '{}'", bot.token));
    a_person_has_one_direct_room(&synapse, &token, &bot, &ada).await;
    a_room_is_joined(&synapse, &token, &ada).await;
    nothing_is_said_where_it_would_have_to_be_encrypted(&synapse, &token, &bot, &ada).await;
    whoever_is_unknown_is_named(&synapse, &token, &bot).await;
    a_login_is_made_anew(&synapse, &ada).await;
    a_limit_is_waited_for(&token).await;
}

async fn a_person_has_one_direct_room(
    synapse: &Synapse,
    token: &MatrixMessenger,
    bot: &User,
    ada: &User,
) {
    let first = another("matrix:@ada:localhost", "1");
    token.deliver(&first).await.unwrap();
    let [room] = synapse.invitations(ada).await.try_into().unwrap();
    synapse.join(ada, &room).await;
    let [said] = synapse.said(ada, &room).await.try_into().unwrap();
    assert_eq!(said["sender"], bot.id);
    let content = &said["content"];
    assert_eq!(content["msgtype"], "m.text");
    let body = content["body"].as_str().unwrap();
    assert!(body.starts_with("[git] ada pushed to kernel (main): fix the scheduler\n"), "{body}");
    let html = content["formatted_body"].as_str().unwrap();
    assert!(html.starts_with("<strong><a href=\"https://git.example.org/"), "{html}");

    // The same notice again is the same message; another notifier finds the same room.
    token.deliver(&first).await.unwrap();
    assert_eq!(synapse.said(ada, &room).await.len(), 1, "told once, by its transaction id");
    let other = messenger(synapse, &format!("token = '{}'", bot.token));
    other.deliver(&another("matrix:@ada:localhost", "2")).await.unwrap();
    assert_eq!(synapse.said(ada, &room).await.len(), 2);

    // Who leaves the room is told in another.
    synapse.ask(Some(ada), Method::POST, &["rooms", &room, "leave"], json!({})).await;
    token.deliver(&another("matrix:@ada:localhost", "3")).await.unwrap();
    let [another_room] = synapse.invitations(ada).await.try_into().unwrap();
    assert_ne!(another_room, room);
    synapse.join(ada, &another_room).await;
    assert_eq!(synapse.said(ada, &another_room).await.len(), 1);
}

async fn a_room_is_joined(synapse: &Synapse, token: &MatrixMessenger, ada: &User) {
    let wanted = json!({"preset": "public_chat", "room_alias_name": "kernel"});
    let made = synapse.ask(Some(ada), Method::POST, &["createRoom"], wanted).await;
    let room = made["room_id"].as_str().unwrap();
    token.deliver(&another("matrix:#kernel:localhost", "4")).await.unwrap();
    assert_eq!(synapse.said(ada, room).await.len(), 1);

    let made = json!({"preset": "private_chat"});
    let made = synapse.ask(Some(ada), Method::POST, &["createRoom"], made).await;
    let private = made["room_id"].as_str().unwrap();
    let to = format!("matrix:{private}");
    let failure = token.deliver(&another(&to, "5")).await.unwrap_err();
    assert!(matches!(&failure, Failure::Deferred(why) if why.contains("invite it")), "{failure:?}");
    let invite = json!({"user_id": "@tubepost:localhost"});
    synapse.ask(Some(ada), Method::POST, &["rooms", private, "invite"], invite.clone()).await;
    token.deliver(&another(&to, "5")).await.unwrap();
    // Thrown out, it says so; let in again, it goes on.
    synapse.ask(Some(ada), Method::POST, &["rooms", private, "kick"], invite.clone()).await;
    let failure = token.deliver(&another(&to, "6")).await.unwrap_err();
    assert!(matches!(failure, Failure::Deferred(_)), "{failure:?}");
    synapse.ask(Some(ada), Method::POST, &["rooms", private, "invite"], invite).await;
    token.deliver(&another(&to, "6")).await.unwrap();
    assert_eq!(synapse.said(ada, private).await.len(), 2);
}

async fn nothing_is_said_where_it_would_have_to_be_encrypted(
    synapse: &Synapse,
    token: &MatrixMessenger,
    bot: &User,
    ada: &User,
) {
    let wanted = json!({"preset": "public_chat", "room_alias_name": "secret"});
    let made = synapse.ask(Some(ada), Method::POST, &["createRoom"], wanted).await;
    let room = made["room_id"].as_str().unwrap();
    token.deliver(&another("matrix:#secret:localhost", "7")).await.unwrap();
    // Encrypted from now on: also where it told before.
    let path = ["rooms", room, "state", "m.room.encryption", ""];
    let algorithm = json!({"algorithm": "m.megolm.v1.aes-sha2"});
    synapse.ask(Some(ada), Method::PUT, &path, algorithm.clone()).await;
    let failure = token.deliver(&another("matrix:#secret:localhost", "8")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Refused(why) if why.contains("does not encrypt")),
        "{failure:?}"
    );
    assert_eq!(synapse.said(ada, room).await.len(), 1);

    // And a direct room is not gone round by another.
    let grace = synapse.register("grace").await;
    token.deliver(&another("matrix:@grace:localhost", "9")).await.unwrap();
    let [room] = synapse.invitations(&grace).await.try_into().unwrap();
    synapse.join(&grace, &room).await;
    let path = ["rooms", &room, "state", "m.room.encryption", ""];
    synapse.ask(Some(&grace), Method::PUT, &path, algorithm).await;
    let fresh = messenger(synapse, &format!("token = '{}'", bot.token));
    for one in [token, &fresh] {
        let failure = one.deliver(&another("matrix:@grace:localhost", "10")).await.unwrap_err();
        assert!(matches!(&failure, Failure::Refused(_)), "{failure:?}");
    }
    assert!(synapse.invitations(&grace).await.is_empty());
}

async fn whoever_is_unknown_is_named(synapse: &Synapse, token: &MatrixMessenger, bot: &User) {
    let nobody = token.deliver(&notice("matrix:@nobody:localhost")).await.unwrap_err();
    assert!(matches!(&nobody, Failure::Bounced(why) if why.contains("profile")), "{nobody:?}");
    let nowhere = token.deliver(&notice("matrix:#nowhere:localhost")).await.unwrap_err();
    assert!(
        matches!(&nowhere, Failure::Bounced(why) if why.contains("M_NOT_FOUND")),
        "{nowhere:?}"
    );
    let rooms = synapse.ask(Some(bot), Method::GET, &["joined_rooms"], Value::Null).await;
    let before = rooms["joined_rooms"].as_array().unwrap().len();
    token.deliver(&notice("matrix:@nobody:localhost")).await.unwrap_err();
    let rooms = synapse.ask(Some(bot), Method::GET, &["joined_rooms"], Value::Null).await;
    assert_eq!(rooms["joined_rooms"].as_array().unwrap().len(), before, "no room is left behind");
}

async fn a_login_is_made_anew(synapse: &Synapse, ada: &User) {
    let builds = synapse.register("builds").await;
    let login = "user = 'builds'\npassword = 'builds-pass'";
    let by_password = messenger(synapse, login);
    by_password.deliver(&another("matrix:@ada:localhost", "11")).await.unwrap();
    synapse.ask(Some(&builds), Method::POST, &["logout", "all"], json!({})).await;
    by_password.deliver(&another("matrix:@ada:localhost", "12")).await.unwrap();
    let [room] = synapse.invitations(ada).await.try_into().unwrap();
    synapse.join(ada, &room).await;
    assert_eq!(synapse.said(ada, &room).await.len(), 2);

    let wrong = messenger(synapse, "user = 'builds'\npassword = 'hunter2'");
    let failure = wrong.deliver(&notice("matrix:@ada:localhost")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Away(why) if why.contains("notify.matrix.user")
            && !why.contains("hunter2")),
        "{failure:?}"
    );
    let wrong = messenger(synapse, "token = 'syt_hunter2'");
    let failure = wrong.deliver(&notice("matrix:@ada:localhost")).await.unwrap_err();
    assert!(
        matches!(&failure, Failure::Away(why) if why.contains("notify.matrix.token_file")
            && !why.contains("hunter2")),
        "{failure:?}"
    );
    assert!(!format!("{wrong:?}{by_password:?}").contains("hunter2"));
}

async fn a_limit_is_waited_for(token: &MatrixMessenger) {
    let began = Instant::now();
    let mut told = 0;
    let limited = loop {
        match token.deliver(&another("matrix:#kernel:localhost", &format!("20-{told}"))).await {
            Ok(()) => told += 1,
            Err(failure) => break failure,
        }
        assert!(told < 200, "never limited in {:?}", began.elapsed());
    };
    assert!(
        matches!(&limited, Failure::Away(why) if why.contains("M_LIMIT_EXCEEDED")),
        "{limited:?}"
    );
    let waiting = token.deliver(&another("matrix:#kernel:localhost", "21")).await.unwrap_err();
    assert!(
        matches!(&waiting, Failure::Away(why) if why.contains("left alone")),
        "it is not asked before its time: {waiting:?}"
    );
    let again = async {
        while token.deliver(&another("matrix:#kernel:localhost", "21")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await; // tidy: between two tries
        }
    };
    tokio::time::timeout(Duration::from_secs(30), again).await.unwrap();
}

#[tokio::test]
async fn nothing_is_said_while_it_is_unknown_whether_a_room_is_encrypted() {
    let mut server = WebServer::start(|path| match path.rsplit('/').next().unwrap_or_default() {
        "whoami" => (200, Vec::new(), r#"{"user_id": "@bot:x"}"#.to_owned()),
        "!room:x" => (200, Vec::new(), r#"{"room_id": "!room:x"}"#.to_owned()),
        _ => (404, Vec::new(), "a proxy's page".to_owned()),
    })
    .await;
    let text = format!("[matrix]\nurl = 'http://127.0.0.1:{}/under'\ntoken = 't'", server.port);
    let messenger = MatrixMessenger::new(&config(&text).matrix.unwrap()).unwrap();
    let failure = messenger.deliver(&notice("matrix:!room:x")).await.unwrap_err();
    assert!(matches!(failure, Failure::Away(_)), "{failure:?}");
    let mut asked = Vec::new();
    for _ in 0..3 {
        asked.push(server.asked().await.target);
    }
    assert!(server.is_quiet());
    let root = "/under/_matrix/client/v3";
    assert_eq!(
        asked,
        [
            format!("{root}/account/whoami"),
            format!("{root}/join/!room:x"),
            format!("{root}/rooms/!room:x/state/m.room.encryption/")
        ]
    );
}

#[tokio::test]
async fn a_server_that_is_none_is_away_and_its_answers_are_bounded() {
    for (status, text) in [
        (200, "<html>".to_owned()),
        (404, "not here".to_owned()),
        (502, String::new()),
        (200, format!("{{\"user_id\": \"{}\"}}", "@".repeat(3 << 20))),
    ] {
        let server = WebServer::start(move |_| (status, Vec::new(), text.clone())).await;
        let text = format!("[matrix]\nurl = 'http://127.0.0.1:{}'\ntoken = 't'", server.port);
        let messenger = MatrixMessenger::new(&config(&text).matrix.unwrap()).unwrap();
        let failure = messenger.deliver(&notice("matrix:@ada:localhost")).await.unwrap_err();
        assert!(matches!(failure, Failure::Away(_)), "{status}: {failure:?}");
        assert!(failure.to_string().len() < 600, "{failure}");
    }
}
