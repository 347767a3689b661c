import Glibc
import JSON

/// Schemas with valid and invalid instances, in MaskBench's layout, tried token by token.
///
/// A file is an object with a "schema" and "tests", a list of objects with "data" and "valid".
package struct SchemaBenchmark: Sendable {
  /// How instances are written.
  package enum Layout: String, CaseIterable, Sendable {
    /// As `json.dumps(value, ensure_ascii=False)` does: one line, a space after ':' and ','.
    case spaced
    /// Without whitespace.
    case compact
    /// As `json.dumps(value, indent=2, ensure_ascii=False)` does.
    case indented
  }

  /// What became of one file.
  package struct Outcome: Sendable {
    /// Why the schema does not compile; nil where it does.
    package var compileError: String?
    package var compileTime = Duration.zero
    /// Indices of valid instances that were refused, and of invalid ones that were accepted.
    package var refused: [Int] = []
    package var accepted: [Int] = []
    package var testCount = 0
    /// Of each token: the mask, and the step. Times are the thread's processor time.
    package var maskTimes: [Duration] = []

    package var passes: Bool { compileError == nil && refused.isEmpty && accepted.isEmpty }
  }

  private let vocabulary: TokenVocabulary
  private let layout: Layout
  private let asksForMasks: Bool
  private let encode: @Sendable (String) throws -> [Int32]

  /// `encode` turns an instance's text into the vocabulary's tokens. Without masks there are steps only.
  package init(
    vocabulary: TokenVocabulary, layout: Layout, asksForMasks: Bool = true,
    encode: @escaping @Sendable (String) throws -> [Int32]
  ) {
    (self.vocabulary, self.layout, self.asksForMasks, self.encode) = (vocabulary, layout, asksForMasks, encode)
  }

  /// This thread's, so that other programs do not count.
  private static var processorTime: Duration {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }

  /// Compiles a file's schema and tries its instances. Throws where `encode` does.
  package func run(_ file: JSONValue) throws -> Outcome {
    var outcome = Outcome()
    let grammar: CompiledGrammar
    let start = Self.processorTime
    do throws(StructuredOutputError) {
      grammar = try CompiledGrammar(.json(file["schema"] ?? true), vocabulary: vocabulary)
    } catch {
      outcome.compileTime = Self.processorTime - start
      outcome.compileError = "\(error)"
      return outcome
    }
    outcome.compileTime = Self.processorTime - start
    for (index, test) in (file["tests"]?.array ?? []).enumerated() {
      guard let data = test["data"], let isValid = test["valid"]?.bool else { continue }
      outcome.testCount += 1
      var state = grammar.makeState()
      var isAccepted = true
      for token in try encode(layout.text(of: data)) {
        let before = Self.processorTime
        let mask = asksForMasks ? state.allowedTokens() : nil
        let isAllowed = state.advance(token)
        outcome.maskTimes.append(Self.processorTime - before)
        // The mask is what a sampler sees: where the two disagree, the instance counts for the worse.
        if let mask, mask.contains(token) != isAllowed { isAccepted = !isValid }
        guard isAllowed else {
          isAccepted = false
          break
        }
      }
      if !state.isComplete { isAccepted = false }
      if isAccepted && !isValid { outcome.accepted.append(index) }
      if !isAccepted && isValid { outcome.refused.append(index) }
    }
    return outcome
  }
}

extension SchemaBenchmark.Layout {
  package func text(of value: JSONValue) -> String {
    var out = ""
    write(value, into: &out, depth: 0)
    return out
  }

  private func write(_ value: JSONValue, into out: inout String, depth: Int) {
    switch value {
    case .null, .bool, .number: out += value.text()
    case .string(let text): out += String(decoding: JSONText.string(text), as: UTF8.self)
    case .array(let values):
      list("[", "]", count: values.count, into: &out, depth: depth) { i, out in
        write(values[i], into: &out, depth: depth + 1)
      }
    case .object(let object):
      list("{", "}", count: object.count, into: &out, depth: depth) { i, out in
        out += String(decoding: JSONText.string(object.keys[i]), as: UTF8.self) + (self == .compact ? ":" : ": ")
        write(object.values[i], into: &out, depth: depth + 1)
      }
    }
  }

  private func list(
    _ open: String, _ close: String, count: Int, into out: inout String, depth: Int,
    _ element: (Int, inout String) -> Void
  ) {
    out += open
    for i in 0..<count {
      if i > 0 { out += self == .spaced ? ", " : "," }
      if self == .indented { out += "\n" + String(repeating: "  ", count: depth + 1) }
      element(i, &out)
    }
    if self == .indented, count > 0 { out += "\n" + String(repeating: "  ", count: depth) }
    out += close
  }
}
