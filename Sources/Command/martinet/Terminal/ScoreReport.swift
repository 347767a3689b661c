import EngineAPI
import Glibc
import Inference
import JSON
import Reports
import Tokenization

/// Runs rank 0's loop over texts to be scored and prints their scores in order.
struct ScoreReport {
  let documents: [ScoredDocument]
  let json: Bool
  let tokenizer: Tokenizer?

  /// Returns the first document's chunks, in order of position.
  func run(_ loop: GenerationLoop, _ requests: [GenerationRequest]) throws -> [ScoredChunk] {
    var indices: [SequenceID: Int] = [:]
    for (index, request) in requests.enumerated() { indices[try loop.submit(request, index: index)] = index }
    var chunks: [[ScoredChunk]] = Array(repeating: [], count: documents.count)
    var isDone = Array(repeating: false, count: documents.count)
    var next = 0
    var totals = Totals()
    var kept: [ScoredChunk] = []
    while loop.hasWork {
      for event in try loop.step() {
        if case .failed(_, let reason) = event { throw InferenceError.sequenceFailed(reason) }
        guard case .scored(let id, let chunk, let isLast) = event, let index = indices[id] else { continue }
        chunks[index].append(chunk)
        isDone[index] = isLast
      }
      while next < documents.count, isDone[next] {
        let scored = chunks[next].sorted { $0.firstPosition < $1.firstPosition }
        if next == 0 { kept = scored }
        chunks[next] = []
        totals.add(show(documents[next], scored))
        next += 1
      }
    }
    if documents.count > 1, !json { martinet.show("all \(documents.count) texts: \(totals.line)") }
    return kept
  }

  private struct Totals {
    var tokens = 0
    var nats = 0.0
    var bytes: Int? = 0

    mutating func add(_ other: Totals) {
      tokens += other.tokens
      nats += other.nats
      bytes = bytes.flatMap { mine in other.bytes.map { mine + $0 } }
    }
    var perplexity: Double { tokens > 0 ? exp(nats / Double(tokens)) : .nan }
    var bitsPerByte: Double? { bytes.flatMap { $0 > 0 ? nats / log(2) / Double($0) : nil } }
    var line: String {
      let bits = bitsPerByte.map { "; \(Figures.decimals($0, 4)) bits per byte" } ?? ""
      return
        """
        \(tokens) tokens predicted; negative log-likelihood \(Figures.decimals(nats, 4)) nats; perplexity \
        \(Figures.decimals(perplexity, 4))\(bits)
        """
    }
  }

  private func show(_ document: ScoredDocument, _ chunks: [ScoredChunk]) -> Totals {
    // Position p of a chunk tells of token p + 1.
    let logprobs = chunks.flatMap(\.nextLogprobs).dropLast()
    let top = chunks.flatMap(\.top).dropLast()
    var totals = Totals()
    totals.tokens = logprobs.count
    totals.nats = logprobs.reduce(0) { $0 - Double($1) }
    totals.bytes = document.byteCount
    if json {
      var tokens: [JSONValue] = []
      for (i, id) in document.ids.enumerated() {
        let candidates =
          i == 0 ? [] : top[i - 1].map { ["id": .int(Int($0.token)), "logprob": .float($0.logprob)] as JSONValue }
        tokens.append(["id": .int(id), "logprob": i == 0 ? .null : .float(logprobs[i - 1]), "top": .array(candidates)])
      }
      martinet.show(
        ([
          "tokens": .array(tokens), "token_count": .int(totals.tokens), "negative_log_likelihood": .double(totals.nats),
          "perplexity": .double(totals.perplexity), "bits_per_byte": totals.bitsPerByte.map { .double($0) } ?? .null,
          "byte_count": totals.bytes.map { .int($0) } ?? .null,
        ] as JSONValue).text())
    } else {
      if documents.count == 1 {
        for (i, id) in document.ids.enumerated() {
          let score = i == 0 ? "-" : Figures.decimals(Double(logprobs[i - 1]), 4)
          let others =
            i == 0
            ? "" : top[i - 1].map { "  \(name(Int($0.token))) \(Figures.decimals(Double($0.logprob), 3))" }.joined()
          martinet.show("\(id)\t\(score)\t\(name(id))\(others)")
        }
      }
      martinet.show(totals.line)
    }
    return totals
  }

  private func name(_ id: Int) -> String {
    let text = (try? tokenizer?.decode([id], skipSpecialTokens: false)) ?? "\(id)"
    return JSONValue.string(text).text()
  }
}
