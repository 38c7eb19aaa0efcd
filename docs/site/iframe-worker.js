// The search of the site runs in a worker, which browsers do not start for pages that are opened as
// files. There a hidden frame takes its place: it runs the same script and passes messages on.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(script) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.append(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = (data) => this.dispatchEvent(new MessageEvent("message", { data }))
      this.inside.importScripts = (...scripts) =>
        scripts.reduce((before, one) => before.then(() => this.load(one)), Promise.resolve())
      this.ready = this.load(script)
    }

    load(script) {
      return new Promise((loaded, failed) => {
        const element = this.inside.document.createElement("script")
        element.onload = loaded
        element.onerror = failed
        element.src = new URL(script, location.href)
        this.inside.document.body.append(element)
      })
    }

    postMessage(data) {
      this.ready.then(() => this.inside.dispatchEvent(new MessageEvent("message", { data })))
    }

    terminate() {}
  }
}
