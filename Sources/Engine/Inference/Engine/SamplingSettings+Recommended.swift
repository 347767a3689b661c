import Checkpoints
import EngineAPI

extension SamplingSettings {
  /// How a model's makers would have its tokens sampled, as `generation_config.json` says. Throws for a value that
  /// nothing can be sampled with.
  package init(recommendedBy reader: ConfigReader) throws(CheckpointError) {
    self.init()
    for parameter in SamplingParameter.all {
      guard let range = parameter.recommended,
        let value = try reader.optionalDouble(ConfigKeys(parameter.name), in: range)
      else { continue }
      self[parameter] = parameter.isCount ? max(0, value.rounded(.towardZero)) : value
    }
    if try reader.optionalBool("do_sample") == false { self[.temperature] = 0 }
  }
}
