// Shows at once that this browser was signed out. Without JavaScript, the next click does.
const status = document.getElementById('session-ended');
let source;

function follow() {
  source?.close();
  // A browser opens six connections to a host over HTTP/1.1: tabs in the background must not take them.
  if (document.hidden || status.hasChildNodes()) return;
  source = new EventSource('/sessions/live');
  source.addEventListener('session-ended', () => {
    source.close();
    status.append(document.querySelector('template').content.cloneNode(true));
  });
}

document.addEventListener('visibilitychange', follow);
follow();
