// Search of pages that are opened from a disk: browsers start no worker from a file, so its script runs in a
// hidden frame. The index comes as a script as well (docs/site/hooks.py).
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      const inside = frame.contentWindow
      inside.document.open()
      inside.document.write("<!doctype html><body></body>")
      inside.document.close()
      inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      const script = inside.document.createElement("script")
      const started = new Promise((done) => script.addEventListener("load", done))
      this.postMessage = (data) => {
        started.then(() => inside.dispatchEvent(new MessageEvent("message", { data })))
      }
      script.src = url
      inside.document.body.append(script)
    }
  }
}
