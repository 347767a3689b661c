import Foundation
import Testing

/// The formatter's settings, which it takes from the nearest folder.
@Suite struct FormatterTests {
  /// What may be absent, fail or be of another type is asked, in the program; a test may stop.
  private let ofSourcesOnly = ["NeverForceUnwrap", "NeverUseForceTry", "NeverUseImplicitlyUnwrappedOptionals"]

  @Test func sourcesAreLaidOutLikeTestsAndUnwrapNothingByForce() throws {
    let all = try settings(".swift-format")
    var sources = try settings("Sources/.swift-format")
    var rules = try #require(sources["rules"] as? [String: Bool])
    for rule in ofSourcesOnly { #expect(rules.removeValue(forKey: rule) == true, "\(rule) is off") }
    sources["rules"] = rules
    #expect(NSDictionary(dictionary: sources) == NSDictionary(dictionary: all))
  }

  private func settings(_ path: String) throws -> [String: Any] {
    let data = Data(try SourceTree.package.text(path).utf8)
    return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
  }
}
