import Foundation

/// A valid body of `Tests/Fixtures/requests`, which mutations begin with.
package struct RequestFixture: Sendable {
  /// Of the route: a file is named after it, without `/v1/`, with `-` for `/`, and a number.
  package let path: String
  package let bytes: [UInt8]

  /// By name. Empty where the folder cannot be read.
  package static let all: [RequestFixture] = {
    let folder = Page.root.appending(path: "Tests/Fixtures/requests")
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    return names.filter { $0.hasSuffix(".json") }.sorted().compactMap { name in
      guard let data = FileManager.default.contents(atPath: folder.appending(path: name).path),
        let end = name.lastIndex(of: "-")
      else { return nil }
      let route = name[..<end].replacing("-", with: "/")
      let isPlain = ["tokenize", "detokenize"].contains(route)
      return RequestFixture(path: (isPlain ? "/" : "/v1/") + route, bytes: Array(data))
    }
  }()
}
