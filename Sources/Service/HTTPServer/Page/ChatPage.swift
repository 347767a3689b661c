/// What `GET /` answers: a chat, and a live view of the cluster, in one page that needs nothing else.
///
/// The page asks `/v1/models`, `/v1/chat/completions` and `/cluster` of the server it came from. It builds its content from
/// text nodes only, so that nothing a model writes is ever taken for markup.
package enum ChatPage {
  package static let html = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Martinet</title>
    <link rel="icon" href="data:,">
    <style>\(style)</style>
    </head>
    <body>
    \(body)
    <script>\(script)</script>
    </body>
    </html>

    """

  /// The header to send with the page: it may run what is in it, ask this server, and nothing else.
  package static let contentSecurityPolicy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  /// The parts share one scope; each uses only names of those before it until all have been read.
  static let script =
    "(() => {\n\"use strict\";\n"
    + [
      basics, settings, eventStream, markdownBlocks, markdownInline, markdownElements, answerView, chat, history,
      ranksView, heatMap, clusterView,
    ].joined(separator: "\n")
    + "\n})();\n"
}
