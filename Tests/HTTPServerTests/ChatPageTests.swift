import HTTPServer
import Testing

/// What a browser cannot be asked in these tests: that the page is whole in itself.
@Suite struct ChatPageTests {
  private let script: Substring
  private let markup: Substring

  init() throws {
    let start = try #require(ChatPage.html.firstRange(of: "<script>"))
    let end = try #require(ChatPage.html.firstRange(of: "</script>"))
    script = ChatPage.html[start.upperBound..<end.lowerBound]
    markup = ChatPage.html[..<start.lowerBound]
  }

  @Test(arguments: ["http://", "https://", "src=", "@import", "url(", "<iframe", "<form action", "javascript:"])
  func nothingIsFetchedFromElsewhere(mark: String) {
    #expect(!ChatPage.html.contains(mark))
  }

  /// What a model writes must never be taken for markup.
  @Test(arguments: ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"])
  func nothingTurnsTextIntoMarkup(call: String) {
    #expect(!script.contains(call))
  }

  @Test func theMarkupHoldsNoScriptsOrStylesOfItsOwn() throws {
    #expect(markup.firstMatch(of: /<[^>]*\s(on[a-z]+|style)\s*=/) == nil)
    #expect(ChatPage.html.matches(of: /<script/).count == 1 && ChatPage.html.matches(of: /<style/).count == 1)
    #expect(ChatPage.html.matches(of: /<\/script/).count == 1)
  }

  @Test func theScriptFindsEveryElementItNames() {
    let ids = markup.matches(of: /\sid="([^"]+)"/).map { String($0.1) }
    #expect(Set(ids).count == ids.count)
    let named = Set(script.matches(of: /byId\("([^"]+)"\)/).map { String($0.1) })
    #expect(named.count > 20 && named.isSubset(of: ids), "\(named.subtracting(ids))")
    let referred = markup.matches(of: /\s(?:for|aria-controls)="([^"]+)"/).map { String($0.1) }
    #expect(Set(referred).isSubset(of: ids))
  }

  /// Every field has a label: around it, or by its id.
  @Test func everyFieldHasALabel() {
    for field in markup.matches(of: /<(?:input|textarea|select)[^>]*\sid="([^"]+)"/) {
      let before = markup[..<field.range.lowerBound]
      let isInside = before.matches(of: /<label/).count > before.matches(of: /<\/label/).count
      #expect(isInside || markup.contains("<label class=\"unseen\" for=\"\(field.1)\""), "\(field.1)")
    }
  }

  @Test func thePolicyAllowsThisServerOnly() {
    #expect(ChatPage.contentSecurityPolicy.hasPrefix("default-src 'none'"))
    #expect(
      ChatPage.contentSecurityPolicy.contains("connect-src 'self'") && !ChatPage.contentSecurityPolicy.contains("*"))
  }
}
