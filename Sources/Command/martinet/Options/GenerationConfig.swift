import ArgumentParser
import Checkpoints
import EngineAPI
import Inference
import JSON

/// Whose recommendation of sampling parameters is followed.
enum GenerationConfig: ExpressibleByArgument, Equatable {
  /// The model's, if it has one.
  case auto
  case none
  /// That of another file in the form of `generation_config.json`.
  case file(String)

  init?(argument: String) {
    switch argument {
    case "": return nil
    case "auto": self = .auto
    case "none": self = .none
    default: self = .file(argument)
    }
  }

  var defaultValueDescription: String {
    switch self {
    case .auto: "auto"
    case .none: "none"
    case .file(let path): path
    }
  }

  /// What it recommends for a model.
  func recommendation(_ model: any Checkpoint) throws -> SamplingSettings {
    switch self {
    case .auto:
      return try model.generationSettings().map { try SamplingSettings(recommendedBy: $0) } ?? SamplingSettings()
    case .none: return SamplingSettings()
    case .file(let path):
      let text = try InputText.read(path)
      do { return try SamplingSettings(recommendedBy: ConfigReader(JSONValue(parsing: text), path: path)) } catch let
        error
        as JSONError
      {
        throw PromptError.malformedLine(path: path, line: 1, reason: "\(error)")
      }
    }
  }

  /// Where a recommendation stands, for people.
  var source: String {
    switch self {
    case .auto: "generation_config.json"
    case .none: "the command line"
    case .file(let path): path
    }
  }
}
