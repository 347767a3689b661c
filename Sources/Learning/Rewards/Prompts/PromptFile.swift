import Checkpoints
import JSON

/// Files of prompts: a JSON object a line, blank lines aside.
package enum PromptFile {
  /// The most bytes of a file, and of a line: all prompts are held in memory.
  static let byteLimit = 256 << 20
  static let lineLimit = 4 << 20

  /// All prompts of a file, in its order. Errors name the file and the line.
  package static func read(_ path: String, requiresAnswers: Bool) throws(RewardError) -> [RewardedPrompt] {
    let prompts = try parse(try bytes(path), path: path, requiresAnswers: requiresAnswers)
    guard !prompts.isEmpty else { throw .noPrompts(file: path) }
    return prompts
  }

  /// A digest (SHA-256) of what prompts say, in their order; blank lines and spaces between members change nothing.
  package static func fingerprint(_ prompts: [RewardedPrompt]) -> [UInt8] {
    var hash = SHA256()
    for prompt in prompts { hash.update(Array((prompt.line.text() + "\n").utf8)) }
    return hash.finish()
  }

  static func parse(_ bytes: [UInt8], path: String, requiresAnswers: Bool) throws(RewardError) -> [RewardedPrompt] {
    let mark: [UInt8] = [0xEF, 0xBB, 0xBF]
    let blanks: Set<UInt8> = [0x20, 0x09, 0x0D]
    var prompts: [RewardedPrompt] = []
    let content = bytes.starts(with: mark) ? bytes[mark.count...] : bytes[...]
    for (index, line) in content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated() {
      guard line.count <= lineLimit else {
        throw .prompt(
          file: path, line: index + 1, reason: "it is longer than \(lineLimit >> 20) MiB; give shorter prompts")
      }
      guard line.contains(where: { !blanks.contains($0) }) else { continue }
      do throws(PromptFault) {
        prompts.append(try prompt(line, number: index + 1, requiresAnswers: requiresAnswers))
      } catch { throw .prompt(file: path, line: index + 1, reason: error.reason) }
    }
    return prompts
  }

  private static func prompt(
    _ line: ArraySlice<UInt8>, number: Int, requiresAnswers: Bool
  ) throws(PromptFault) -> RewardedPrompt {
    let value: JSONValue
    do throws(JSONError) {
      value = try JSONValue(parsing: line, limits: JSONLimits(byteCount: lineLimit, depth: 64))
    } catch { throw PromptFault(reason: "\("\(error)".cut); write one JSON object a line") }
    return try RewardedPrompt(value, number: number, requiresAnswers: requiresAnswers)
  }

  private static func bytes(_ path: String) throws(RewardError) -> [UInt8] {
    do throws(CheckpointError) {
      let file = try InputFile(path: path)
      guard file.byteCount <= byteLimit else {
        throw CheckpointError.tooLarge(path: path, byteCount: file.byteCount, limit: byteLimit)
      }
      var bytes = [UInt8](repeating: 0, count: file.byteCount)
      var failure: CheckpointError?
      bytes.withUnsafeMutableBytes { buffer in
        do throws(CheckpointError) { try file.read(into: buffer, at: 0) } catch { failure = error }
      }
      if let failure { throw failure }
      return bytes
    } catch {
      if case .tooLarge(_, let count, let limit) = error { throw .tooLarge(file: path, byteCount: count, limit: limit) }
      throw .unreadable(file: path, reason: "\(error)")
    }
  }
}
