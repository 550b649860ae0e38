//! People's feeds as the pages ask for them: where the notifier's store meets HTTP.

use std::{future::Future, pin::Pin, sync::Arc};

use notify::Form;
use web::{FeedDocument, NoFeed};

use crate::config::Config;

/// The feeds of the configured store, which may be made later.
pub(crate) fn prepare(config: &Config) -> Arc<dyn web::Feeds> {
    Arc::new(Feeds(Arc::new(notify::Feeds::new(config.notify_store.clone(), &config.feed_url))))
}

#[derive(Debug)]
struct Feeds(Arc<notify::Feeds>);

impl web::Feeds for Feeds {
    fn find<'a>(
        &'a self,
        secret: &'a str,
        form: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Option<FeedDocument>, NoFeed>> + Send + 'a>> {
        Box::pin(async move {
            let Some(form) = Form::named(form) else { return Ok(None) };
            let (feeds, secret) = (Arc::clone(&self.0), secret.to_owned());
            // The store may be on another machine.
            let read = tokio::task::spawn_blocking(move || feeds.document(&secret, form));
            let document = match read.await {
                Ok(Ok(document)) => document,
                Ok(Err(error)) => {
                    tracing::warn!(%error, "people's feeds cannot be read");
                    return Err(NoFeed);
                }
                Err(_) => return Err(NoFeed),
            };
            Ok(document.map(|notify::Document { text, updated_at }| FeedDocument {
                text,
                media_type: form.media_type(),
                updated_at,
            }))
        })
    }
}
