import ExpertParallelism
import Inference
import Kernels
import MoEModel
import ModelRuntime
import Projection
import Telemetry

/// The model that `martinet project` is given: the reports' own, or another.
struct ProjectedModel {
  let description: DecoderDescription
  /// Whether it is another than the reports'.
  let isOther: Bool
  /// What memory is counted from; nil where a `config.json` alone does not say how weights are held.
  private let planned: PlannedModel?
  private let options: SessionOptions
  private let cacheBlocks: Int

  init(
    _ path: String, weights: WeightPrecision, forecast: ForecastOptions, measured: ModelWork?, cacheTokens: Int,
    cacheType: CacheType
  ) throws {
    // A configuration alone tells work; what is held depends on how.
    let isUnsaid = path.hasSuffix(".json") && weights == .auto
    let model = try PlannedModel(path, weights: isUnsaid ? .bf16 : weights, speculation: forecast.speculation.options)
    description = model.description
    planned = isUnsaid ? nil : model
    let work = model.description.work
    isOther = !(measured.map { work.isOfSameModel(as: $0) } ?? false)
    var options = SessionOptions()
    options.cacheType = cacheType
    (self.options, cacheBlocks) = (options, KeyValueCache.blockCount(tokens: cacheTokens))
  }

  /// Tokens that choose at random; nil in a dense model.
  func routing(skew: Double) -> RoutingRecord? {
    description.moe.map { RoutingRecord.even($0, rows: 4096, skew: skew) }
  }

  /// Bytes of weights and cache of the fullest rank; nil where that is not known.
  func heldBytes(_ placement: ModelPlacement, isSliced: Bool, dividesExperts: Bool) throws -> Int? {
    guard let planned, !isSliced || description.slicingObstacle == nil else { return nil }
    let weights = try planned.weightBytes(
      placement: placement, options: ExpertOptions(), isSliced: isSliced, dividesExperts: dividesExperts)
    let cache =
      planned.descriptions(
        isSliced: isSliced, ranks: placement.rankCount, dividesExperts: dividesExperts
      ).map { options.cacheByteCount($0, cacheBlocks: cacheBlocks) }.max() ?? 0
    let (sum, overflows) = weights.addingReportingOverflow(cache)
    return overflows ? nil : sum
  }
}
