import Checkpoints
import Glibc
import JSON

/// What has been drawn in a step under way, on the disk: a training that is stopped or killed goes on from the tokens it has, so that
/// long completions are no rarer among those that count than short ones. A line for each stretch of tokens; a line that is not whole is
/// the end.
package final class RolloutLog {
  private static let name = "rollout.jsonl"
  private static let byteLimit = 1 << 30
  /// How much is drawn anew at most.
  private static let interval = Duration.seconds(10)

  private let path: String
  private var key = ""
  private var step = 0
  private var found: [Completion] = []
  private var isAhead = false
  /// Tokens of each completion that the file has.
  private var written: [Int] = []
  private var hasHeader = false
  private var last = ContinuousClock.now

  /// In a training's folder; on rank 0.
  package init(folder: String) { path = "\(folder)/\(Self.name)" }

  /// Reads what there is of a step's completions; `key` is the same for the same prompts, seeds and settings.
  package func open(step: Int, key: String) {
    (self.step, self.key, found, written, hasHeader, isAhead) = (step, key, [], [], false, false)
    last = .now
    guard let bytes = try? InputFile(path: path).contents(limit: Self.byteLimit) else { return }
    var lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: true)[...]
    guard let first = lines.popFirst(), let head = try? JSONValue(parsing: first), let number = head["step"]?.exactInt
    else { return remove() }
    // A step still to come: the training was stopped in it, and goes on from an earlier checkpoint.
    if number > step { isAhead = true }
    guard number == step, head["key"]?.string == key, let count = head["count"]?.exactInt, (0...1 << 24).contains(count)
    else { return isAhead ? () : remove() }
    found = Array(repeating: Completion(), count: count)
    for line in lines { guard read(line) else { break } }
    // What comes after a line that is not whole would be lost, too.
    remove()
  }

  private func read(_ line: ArraySlice<UInt8>) -> Bool {
    guard let value = try? JSONValue(parsing: line), let place = value["i"]?.exactInt, found.indices.contains(place),
      value["at"]?.exactInt == found[place].tokens.count, let tokens = value["tokens"]?.array?.map(\.exactInt),
      let bits = value["logprobs"]?.array?.map(\.exactInt), bits.count == tokens.count
    else { return false }
    var (ids, logprobs): ([Int32], [Float]) = ([], [])
    for case (let id, let bits) in zip(tokens, bits) {
      guard let id = id.flatMap({ Int32(exactly: $0) }), id >= 0, let bits = bits.flatMap({ UInt32(exactly: $0) })
      else { return false }
      ids.append(id)
      logprobs.append(Float(bitPattern: bits))
    }
    found[place].tokens += ids
    found[place].logprobs += logprobs
    found[place].isCut = value["cut"]?.bool == true
    return true
  }

  /// The completions as far as they are known.
  func begin(count: Int) -> [Completion] {
    if found.count != count { found = Array(repeating: Completion(), count: count) }
    written = Array(repeating: 0, count: count)
    return found
  }

  func writeSometimes(_ completions: [Completion]) throws {
    guard ContinuousClock.now - last >= Self.interval else { return }
    try write(completions)
  }

  /// Adds what is new.
  func write(_ completions: [Completion]) throws {
    guard !isAhead, written.count == completions.count else { return }
    var text = ""
    if !hasHeader {
      let head: JSONValue = ["step": .int(step), "key": .string(key), "count": .int(completions.count)]
      text += head.text() + "\n"
    }
    for (i, completion) in completions.enumerated() where completion.tokens.count > written[i] {
      let new = written[i]...
      let line: JSONValue = [
        "i": .int(i), "at": .int(written[i]), "tokens": .array(completion.tokens[new].map { .int(Int($0)) }),
        "logprobs": .array(completion.logprobs[new].map { .int(Int($0.bitPattern)) }), "cut": .bool(completion.isCut),
      ]
      text += line.text() + "\n"
      written[i] = completion.tokens.count
    }
    try append(text)
    (hasHeader, last) = (true, .now)
  }

  private func append(_ text: String) throws {
    guard let file = fopen(path, hasHeader ? "a" : "w") else { throw RolloutLogError(path: path, code: errno) }
    let isWritten = text.utf8.withContiguousStorageIfAvailable { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
    let code = errno
    guard fclose(file) == 0, isWritten == true else { throw RolloutLogError(path: path, code: code) }
  }

  /// The step is done.
  package func close() { if !isAhead { remove() } }

  private func remove() { unlink(path) }
}

/// What was drawn cannot be kept.
struct RolloutLogError: Error, CustomStringConvertible {
  let path: String
  let code: Int32

  var description: String {
    "what was drawn cannot be written to \(path): \(String(cString: strerror(code))); make room there, and go on with --resume"
  }
}
