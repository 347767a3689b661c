import EngineAPI

/// How tokens are to be sampled: the parameters that chat and text completions share. What is created empty are the
/// OpenAI API's defaults.
package struct SamplingOptions: Sendable, Equatable {
  /// Those that are not neutral.
  private var settings = SamplingSettings()
  /// Token id to what is added to its logit, −100 … 100.
  package var logitBias: [Int: Double] = [:]
  package var seed: Int?

  package init() {}

  /// `settings`: what they leave open is neutral.
  package init(_ settings: SamplingSettings) {
    for parameter in SamplingParameter.all { self[parameter] = settings[parameter] ?? parameter.neutral }
  }

  package subscript(parameter: SamplingParameter) -> Double {
    get { settings[parameter] ?? parameter.neutral }
    set { settings[parameter] = newValue == parameter.neutral ? nil : newValue }
  }

  /// What the sampler is given. `choice`: which of a prompt's continuations this is; each has a seed of its own.
  package func parameters(choice: Int) throws(APIError) -> SamplingParameters {
    var parameters = SamplingParameters()
    for parameter in SamplingParameter.all { parameter.set(self[parameter], in: &parameters) }
    parameters.seed = seed.map { UInt64(bitPattern: Int64($0)) &+ UInt64(choice) } ?? .random(in: .min ... .max)
    do throws(SamplingError) { try parameters.validate() } catch {
      throw .invalidRequest("\(error)", param: error.name.replacing("-", with: "_"))
    }
    return parameters
  }

  package var tokenBias: [Int32: Float] {
    var biases: [Int32: Float] = [:]
    for (id, bias) in logitBias { if let id = Int32(exactly: id) { biases[id] = Float(bias) } }
    return biases
  }
}

/// What `stream` and `stream_options` ask for.
package struct StreamOptions: Sendable, Equatable {
  /// A last chunk without choices carries the usage.
  package var includesUsage = false
  /// Every chunk carries the usage so far.
  package var continuesUsage = false
  package init() {}
}
