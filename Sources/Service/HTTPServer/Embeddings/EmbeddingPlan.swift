import EngineAPI
import OpenAIProtocol

/// A request for embeddings, understood.
struct EmbeddingPlan: Sendable {
  /// Most numbers in an answer.
  static let numberLimit = 8 << 20

  let inputs: [[Int32]]
  let pooling: Pooling
  let dimensions: Int
  let normalizes: Bool
  var promptTokens: Int { inputs.reduce(0) { $0 + $1.count } }

  /// Takes time in proportion to the inputs.
  init(
    _ request: EmbeddingRequest, pooling: Pooling, text: ServedText, facts: EngineFacts, contextLength: Int
  ) throws(APIError) {
    dimensions = request.dimensions ?? facts.hiddenSize
    guard dimensions <= facts.hiddenSize else {
      throw .invalidRequest(
        "'dimensions' is \(dimensions), but this model's vectors have \(facts.hiddenSize)", param: "dimensions")
    }
    let most = Self.numberLimit / max(dimensions, 1)
    guard request.inputs.count <= most else {
      throw .invalidRequest(
        "\(request.inputs.count) vectors of \(dimensions) numbers are asked for, but an answer holds \(most) of them: "
          + "send fewer inputs at a time or ask for fewer 'dimensions'", param: "input")
    }
    self.pooling = request.pooling.flatMap { Pooling(rawValue: $0) } ?? pooling
    normalizes = request.normalizes
    var inputs: [[Int32]] = []
    inputs.reserveCapacity(request.inputs.count)
    for (i, input) in request.inputs.enumerated() {
      let ids: [Int]
      switch input {
      case .text(let given): ids = try text.encode(given, addSpecialTokens: request.addsSpecialTokens)
      case .tokens(let given): ids = given
      }
      guard !ids.isEmpty else { throw .invalidRequest("'input[\(i)]' has no tokens", param: "input") }
      guard ids.count <= contextLength else {
        throw .promptTooLong(promptTokens: ids.count, contextLength: contextLength, param: "input", generates: false)
      }
      inputs.append(ids.map { Int32($0) })
    }
    self.inputs = inputs
  }

  /// Of the inputs from `first` on, one for each id as far as there are any.
  func tokenRequests(from first: Int, ids: Range<Int>) -> [TokenRequest] {
    zip(ids, inputs[first...]).map { id, input in
      var request = TokenRequest(id: RequestID(id), prompt: input, maxNewTokens: 0)
      request.pooling = pooling
      return request
    }
  }

  /// The vector a client gets: its leading numbers, and those of length 1 unless it wants them as they are.
  ///
  /// The length is a sum of squares in double precision, in ascending order.
  func vector(_ pooled: [Float]) -> [Float] {
    let leading = pooled.prefix(dimensions)
    guard normalizes else { return Array(leading) }
    let length = leading.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
    return length > 0 ? leading.map { Float(Double($0) / length) } : Array(leading)
  }
}
