import TestSupport
import Testing

@testable import HTTPServer

@Suite struct APIKeysTests {
  private let folder = TemporaryFolder()

  @Test func aFileHasOneKeyALine() throws {
    let keys = try APIKeys(file: folder.write("# ours\n\n  first \r\nsecond # of Ada Lovelace \nthird#x", as: "keys"))
    for (key, label) in [("first", "key-1"), ("second", "of Ada Lovelace"), ("third#x", "key-3")] {
      #expect(keys.admit(authorization: "Bearer \(key)") == .known(label: label))
    }
    for key in ["# ours", "", "third", "first second", "second # of Ada Lovelace"] {
      #expect(keys.admit(authorization: "Bearer \(key)") == .unknown)
    }
    #expect(keys.admit(authorization: nil) == .unknown)
    #expect(APIKeys().admit(authorization: nil) == .notNeeded)
  }

  @Test func aVariableHasKeysApartByBlanksOrCommas() throws {
    let keys = try APIKeys(variable: "KEYS", " one,two  three\n")
    #expect(["one", "two", "three"].allSatisfy { keys.admit(authorization: "bearer \($0)") != .unknown })
    #expect(keys.admit(authorization: "Bearer one,two") == .unknown)
    #expect(throws: ServerError.self) { try APIKeys(variable: "KEYS", " , ") }
    #expect(throws: ServerError.self) { try APIKeys(variable: "KEYS", "clé") }
  }

  @Test func aFileThatHoldsNoKeysIsRefused() throws {
    let empty = folder.write("# nothing\n", as: "empty")
    #expect(throws: ServerError.noKeys(path: empty)) { try APIKeys(file: empty) }
    let spaced = folder.write("good\nnot good\n", as: "spaced")
    #expect(
      throws: ServerError.malformedKey(
        path: spaced, line: 2, reason: "a key is printable ASCII without spaces")
    ) { try APIKeys(file: spaced) }
    #expect(throws: ServerError.self) { try APIKeys(file: "/dev/null/keys") }
    #expect(throws: ServerError.self) { try APIKeys(file: folder.path) }
    let long = folder.write([UInt8](repeating: 120, count: 2000), as: "long")
    #expect(throws: ServerError.self) { try APIKeys(file: long) }
  }
}
