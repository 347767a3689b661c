import TestSupport
import Testing

@testable import Coordinator

@Suite struct APIKeysTests {
  private let folder = TemporaryFolder()

  @Test func aFileHasOneKeyALine() throws {
    let keys = try APIKeys(file: folder.write("# ours\n\n  first \r\nsecond", as: "keys"))
    for key in ["first", "second"] { #expect(keys.admit(authorization: "Bearer \(key)")) }
    for key in ["# ours", "", "third", "first second"] { #expect(!keys.admit(authorization: "Bearer \(key)")) }
    #expect(!keys.admit(authorization: nil))
    #expect(APIKeys().admit(authorization: nil), "no keys: none is needed")
  }

  @Test func aFileThatHoldsNoKeysIsRefused() throws {
    let empty = folder.write("# nothing\n", as: "empty")
    #expect(throws: CoordinatorError.noKeys(path: empty)) { try APIKeys(file: empty) }
    let spaced = folder.write("good\nnot good\n", as: "spaced")
    #expect(
      throws: CoordinatorError.malformedKey(
        path: spaced, line: 2, reason: "a key is printable ASCII without spaces")
    ) { try APIKeys(file: spaced) }
    #expect(throws: CoordinatorError.self) { try APIKeys(file: "/dev/null/keys") }
    #expect(throws: CoordinatorError.self) { try APIKeys(file: folder.path) }
    let long = folder.write([UInt8](repeating: 120, count: 2000), as: "long")
    #expect(throws: CoordinatorError.self) { try APIKeys(file: long) }
  }
}
