import Foundation
import TestSupport

/// Files of this repository.
enum Fixture {
  static func path(_ name: String) -> String { Page.root.appending(path: "Tests/Fixtures/\(name)").path }
  static func bytes(_ name: String) throws -> [UInt8] { try bytes(at: "Tests/Fixtures/\(name)") }
  static func bytes(at path: String) throws -> [UInt8] { Array(try Data(contentsOf: Page.root.appending(path: path))) }
}
