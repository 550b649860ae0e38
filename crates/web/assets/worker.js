// Shows what is pushed to this browser (docs/notify.md, "Browsers"), and opens its link.

self.addEventListener('push', (event) => {
  const slip = event.data.json();
  const tag = slip.object ?? slip.key;
  event.waitUntil(self.registration.showNotification(slip.summary, { body: slip.text, tag, data: slip.link }));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  if (event.notification.data) event.waitUntil(self.clients.openWindow(event.notification.data));
});
