/// A reader of what comes from outside, with inputs to begin with.
struct FuzzTarget: Sendable {
  /// What a reader made of an input though it must not.
  struct Broken: Error, CustomStringConvertible {
    var description: String
  }

  let name: String
  /// How many inputs the suite tries: about a second in an optimised build.
  let inputCount: UInt64
  let mutator: @Sendable () throws -> Mutator
  /// Reads an input; an error is an answer, if it has words. `Broken` is none.
  let read: @Sendable ([UInt8]) throws -> Void

  init(
    _ name: String, inputs inputCount: UInt64, pieces: [String] = jsonPieces,
    seeds: @escaping @Sendable () throws -> [[UInt8]], read: @escaping @Sendable ([UInt8]) throws -> Void
  ) {
    (self.name, self.inputCount, self.read) = (name, inputCount, read)
    mutator = { Mutator(seeds: try seeds(), pieces: pieces.map { Array($0.utf8) }) }
  }

  static let jsonPieces = [
    "null", "-1", "1e999", "99999999999999999999", "\"\"", "[]", "{}", "[", "{\"a\":", "true", "false", "\\ud800",
    "\\u0000", "\u{0}", "\"", "]", "}", ",", ":", "0.0000001", "☃", "\u{1F600}", "-0", "\\", "\n", "\"a\"",
  ]

  static let all = text + schemas + model + ranks + service + reports + training + evaluation + rewards
}

/// Throws what must not be.
func hold(_ condition: Bool, _ what: @autoclosure () -> String) throws {
  if !condition { throw FuzzTarget.Broken(description: what()) }
}
