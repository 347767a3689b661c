/// What a template may cost its renderer. Templates come with checkpoints and are hostile until rendered.
package struct TemplateLimits: Sendable {
  /// The quantities that are limited, as an error names them.
  package enum Kind: String, Sendable {
    case depth = "nesting depth"
    case steps = "evaluation steps"
    case outputBytes = "bytes of output"
    case valueBytes = "bytes of one value"
    case allocatedBytes = "bytes of all values"
  }

  /// UTF-8 bytes of the template's source.
  package var templateByteCount: Int
  /// Levels of nesting: of blocks and expressions when parsing, of the same and of values when rendering.
  /// Both run on a thread of their own, with a stack in proportion.
  package var depth: Int
  /// Nodes evaluated, plus one for every 32 bytes a string operation walks over. Four million take less than a
  /// second in a release build; published templates take about ten for a message.
  package var stepCount: Int
  /// Steps allowed besides for every value in the variables: many templates compare each message with every other.
  package var stepCountPerInput: Int
  package var outputByteCount: Int
  /// Bytes of one string, or 16 for each element of one container.
  package var valueByteCount: Int
  /// Bytes of every value made during one rendering, freed or not.
  package var allocatedByteCount: Int

  package init(
    templateByteCount: Int = 1 << 20, depth: Int = 200, stepCount: Int = 4_000_000, stepCountPerInput: Int = 4_000,
    outputByteCount: Int = 16 << 20, valueByteCount: Int = 16 << 20, allocatedByteCount: Int = 256 << 20
  ) {
    (self.templateByteCount, self.depth, self.stepCount) = (templateByteCount, depth, stepCount)
    (self.stepCountPerInput, self.outputByteCount) = (stepCountPerInput, outputByteCount)
    (self.valueByteCount, self.allocatedByteCount) = (valueByteCount, allocatedByteCount)
  }
}
