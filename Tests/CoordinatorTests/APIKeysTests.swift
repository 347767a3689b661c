import Foundation
import Testing

@testable import Coordinator

@Suite struct APIKeysTests {
  private func file(_ bytes: [UInt8]) throws -> String {
    let path = NSTemporaryDirectory() + "keys-" + UUID().uuidString
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  @Test func aFileHasOneKeyALine() throws {
    let keys = try APIKeys(file: file(Array("# ours\n\n  first \r\nsecond".utf8)))
    for key in ["first", "second"] { #expect(keys.admit(authorization: "Bearer \(key)")) }
    for key in ["# ours", "", "third", "first second"] { #expect(!keys.admit(authorization: "Bearer \(key)")) }
    #expect(!keys.admit(authorization: nil))
    #expect(APIKeys().admit(authorization: nil), "no keys: none is needed")
  }

  @Test func aFileThatHoldsNoKeysIsRefused() throws {
    let empty = try file(Array("# nothing\n".utf8))
    #expect(throws: CoordinatorError.noKeys(path: empty)) { try APIKeys(file: empty) }
    let spaced = try file(Array("good\nnot good\n".utf8))
    #expect(
      throws: CoordinatorError.malformedKey(
        path: spaced, line: 2, reason: "a key is printable ASCII without spaces")
    ) { try APIKeys(file: spaced) }
    #expect(throws: CoordinatorError.self) { try APIKeys(file: "/nowhere/keys") }
    #expect(throws: CoordinatorError.self) { try APIKeys(file: NSTemporaryDirectory()) }
    let long = try file(Array(repeating: 120, count: 2000))
    #expect(throws: CoordinatorError.self) { try APIKeys(file: long) }
  }
}
