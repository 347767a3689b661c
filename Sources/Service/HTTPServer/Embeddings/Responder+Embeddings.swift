import EngineAPI
import Hummingbird
import OpenAIProtocol

/// `POST /v1/embeddings`.
extension Responder {
  func embeddings(_ request: Request, _ context: Context) async throws -> Response {
    let arrival = ContinuousClock.now
    let facts = try servingFacts()
    try server.admission.check(slots: facts.sequences)
    let asked = try await body(of: request) {
      try EmbeddingRequest($0, poolings: Pooling.allCases.map(\.rawValue), limits: $1)
    }
    try checkModel(asked.model)
    // More inputs than these wait for their turn here and not in the queue, which is everybody's.
    let places = min(asked.inputs.count, max(1, facts.sequences / 2))
    let submission = try await admit(places, isStreamed: false, facts: facts, context)
    do {
      let (text, contextLength) = (server.text, server.contextLength ?? facts.maximumPositions)
      let pooling = server.configuration.pooling
      let plan = try await server.pool.run {
        try EmbeddingPlan(asked, pooling: pooling, text: text, facts: facts, contextLength: contextLength)
      }
      var vectors: [[Float]] = []
      while vectors.count < plan.inputs.count {
        let requests = plan.tokenRequests(from: vectors.count, ids: submission.ids)
        try await server.pool.run { submission.submit(requests) }
        vectors += try await pooled(requests, submission, width: facts.hiddenSize, arrival: arrival).map(plan.vector)
      }
      let response = EmbeddingResponse(
        model: asked.model ?? server.configuration.modelNames[0], pooling: plan.pooling.rawValue,
        isNormalized: plan.normalizes, encoding: asked.encoding, promptTokens: plan.promptTokens)
      submission.end()
      server.metrics.count { $0.wholeRequest.record((.now - arrival).inSeconds) }
      let found = vectors
      return .text(try await server.pool.run { response.text(found) }, type: "application/json")
    } catch {
      submission.end()
      throw error
    }
  }

  /// What the engine makes of `requests`, in their order. Throws what it failed with, and when the client has gone.
  private func pooled(
    _ requests: [TokenRequest], _ submission: Submission, width: Int, arrival: ContinuousClock.Instant
  ) async throws -> [[Float]] {
    var vectors = [[Float]?](repeating: nil, count: requests.count)
    var hasStarted = [Bool](repeating: false, count: requests.count)
    var missing = requests.count
    while missing > 0 {
      switch await submission.mailbox.next() {
      case .tick: break
      case .closed(.drained): throw APIError.stopping
      case .closed(.clientLeft), .closed(.clientTooSlow): throw ClientGone()
      case .events(let events):
        for event in events {
          let index = event.id.value - submission.ids.lowerBound
          guard vectors.indices.contains(index), vectors[index] == nil else { continue }
          switch event {
          case .started(_, let cached):
            // Again after a preemption, when what was computed before is in the cache.
            guard !hasStarted[index] else { continue }
            hasStarted[index] = true
            let prompt = requests[index].prompt.count
            server.metrics.count { counts in
              counts.promptTokens += prompt
              counts.cachedTokens += cached
            }
            submission.record?.note { facts in
              facts.promptTokens += prompt
              facts.cachedTokens += cached
              facts.queueTime = facts.queueTime ?? .now - arrival
            }
          case .embedding(_, let values):
            guard values.count == width else {
              throw APIError.internalFailure("the engine gave a vector of \(values.count) numbers, not of \(width)")
            }
            vectors[index] = values
            missing -= 1
          case .token, .prompt: throw APIError.internalFailure("the engine gave tokens where a vector was asked for")
          case .failed(_, let message):
            server.metrics.count { $0.engineFailures += 1 }
            submission.record?.noteEnd(.failed, error: message)
            throw APIError.internalFailure(message)
          }
        }
      }
    }
    return vectors.compactMap(\.self)
  }
}
