import JSON

/// Reads one streamed answer, chunk by chunk, and notes when its tokens came.
package struct AnswerReader: Sendable {
  /// Why an answer cannot be taken for one.
  package struct Malformed: Error, Equatable, CustomStringConvertible {
    package let description: String
  }

  private var parser = EventStreamParser()
  /// Seconds after the request was sent at which chunks with text arrived, and the one that ended the answer.
  package private(set) var textTimes: [Double] = []
  package private(set) var finishTime: Double?
  package private(set) var promptTokens: Int?
  package private(set) var cachedTokens: Int?
  package private(set) var outputTokens: Int?
  private var isDone = false

  package init() {}

  /// Takes bytes that arrived `time` seconds after the request was sent.
  package mutating func append(_ bytes: some Sequence<UInt8>, at time: Double) throws(Malformed) {
    let events: [[UInt8]]
    do { events = try parser.append(bytes) } catch {
      throw Malformed(description: "an event of more than \(error.limit) bytes")
    }
    for event in events { try read(event, at: time) }
  }

  private mutating func read(_ event: [UInt8], at time: Double) throws(Malformed) {
    guard !isDone else { throw Malformed(description: "an event after the last one") }
    if event.elementsEqual("[DONE]".utf8) {
      isDone = true
      return
    }
    let chunk: JSONValue
    do { chunk = try JSONValue(parsing: event, limits: JSONLimits(byteCount: 4 << 20, depth: 32)) } catch {
      throw Malformed(description: "an event is not JSON: \(error)")
    }
    if let failure = chunk["error"], !failure.isNull {
      throw Malformed(description: failure["message"]?.string ?? failure.text())
    }
    if let usage = chunk["usage"]?.object {
      promptTokens = Self.count(usage["prompt_tokens"]) ?? promptTokens
      outputTokens = Self.count(usage["completion_tokens"]) ?? outputTokens
      cachedTokens = Self.count(usage["prompt_tokens_details"]?["cached_tokens"]) ?? cachedTokens
    }
    guard let choice = chunk["choices"]?.array?.first else { return }
    let parts = [choice["text"], choice["delta"]?["content"], choice["delta"]?["reasoning_content"]]
    let hasCalls = choice["delta"]?["tool_calls"]?.array?.isEmpty == false
    if hasCalls || parts.contains(where: { $0?.string?.isEmpty == false }) { textTimes.append(time) }
    if choice["finish_reason"]?.string != nil { finishTime = finishTime ?? time }
  }

  /// A number of tokens as a server tells it; nil for what can be none. Many are added up.
  package static func count(_ value: JSONValue?) -> Int? {
    value?.exactInt.flatMap { (0...(1 << 32)).contains($0) ? $0 : nil }
  }

  /// Throws unless the answer came to its end.
  package func finish() throws(Malformed) {
    guard finishTime != nil else {
      throw Malformed(description: "the stream ended before the answer did, after \(textTimes.count) chunks with text")
    }
  }
}
