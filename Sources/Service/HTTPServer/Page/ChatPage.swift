/// What `GET /` answers: a chat, and a live view of the cluster, in one page that needs nothing else.
///
/// Its files lie in `Resources`, as a browser would read them, and are embedded in the program when it is built. The
/// page asks `/v1/models`, `/v1/chat/completions` and `/cluster` of the server it came from. It builds its content from
/// text nodes only, so that nothing a model writes is ever taken for markup.
package enum ChatPage {
  /// `page.html` with the files it names in their places; the scripts share one scope that is not the window's.
  package static let html: String = {
    let tags = scripts.map { #"<script src="\#($0.name)"></script>"# }.joined(separator: "\n")
    let script = scripts.map { text($0.bytes) }.joined(separator: "\n")
    return text(PackageResources.page_html)
      .replacing(
        #"<link rel="stylesheet" href="page.css">"#, with: "<style>\n\(text(PackageResources.page_css))</style>"
      )
      .replacing(tags, with: "<script>(() => {\n\"use strict\";\n\(script)})();\n</script>")
  }()

  /// The header to send with the page: it may run what is in it, ask this server, and nothing else.
  package static let contentSecurityPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  /// In the order of `page.html`: each uses only names of those before it until all have been read.
  private static let scripts: [(name: String, bytes: [UInt8])] = [
    ("basics.js", PackageResources.basics_js),
    ("settings.js", PackageResources.settings_js),
    ("event-stream.js", PackageResources.event_stream_js),
    ("markdown-blocks.js", PackageResources.markdown_blocks_js),
    ("markdown-inline.js", PackageResources.markdown_inline_js),
    ("markdown-elements.js", PackageResources.markdown_elements_js),
    ("answer.js", PackageResources.answer_js),
    ("chat.js", PackageResources.chat_js),
    ("history.js", PackageResources.history_js),
    ("ranks.js", PackageResources.ranks_js),
    ("heat-map.js", PackageResources.heat_map_js),
    ("cluster.js", PackageResources.cluster_js),
  ]

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
