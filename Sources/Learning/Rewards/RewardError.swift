/// Why completions cannot be paid.
package enum RewardError: Error, Equatable, CustomStringConvertible {
  // Prompts.
  case unreadable(file: String, reason: String)
  case tooLarge(file: String, byteCount: Int, limit: Int)
  case noPrompts(file: String)
  /// `reason` ends with what to do.
  case prompt(file: String, line: Int, reason: String)

  // Rules.
  case noRules
  case unknownRule(String)
  case repeatedRule(String)
  case badWeight(rule: String, text: String)
  case missingOption(RewardOptions.Flag, rule: String)
  case unusedOption(RewardOptions.Flag, rule: String)
  case badPattern(RewardOptions.Flag, reason: String)
  case outOfRange(RewardOptions.Flag, found: String, expected: String)

  // Programs.
  case start(command: String, reason: String)
  case program(command: String, answered: Int, of: Int, ProgramFault)

  package var description: String {
    switch self {
    case .unreadable(let file, let reason):
      "cannot read the prompts \(file.cut(to: 600).debugDescription): \(reason); check the path, and who may read it"
    case .tooLarge(let file, let count, let limit):
      """
      \(file.cut(to: 600).debugDescription) has \(count) bytes, and files of prompts have at most \(limit >> 20) \
      MiB; give fewer prompts
      """
    case .noPrompts(let file):
      """
      \(file.cut(to: 600).debugDescription) has no prompts in it; give one JSON object a line, {\"prompt\": …, \
      \"answer\": …}
      """
    case .prompt(let file, let line, let reason): "\(file.cut(to: 600).debugDescription), line \(line): \(reason)"
    case .noRules: "no reward is named; name some of \(Self.known), as in numeric,format=0.1"
    case .unknownRule(let name):
      "there is no reward \(name.cut.debugDescription); name some of \(Self.known), as in numeric,format=0.1"
    case .repeatedRule(let name): "the reward \(name) is named twice; name it once, with one weight"
    case .badWeight(let rule, let text):
      """
      the weight of \(rule) is \(text.cut.debugDescription); give a number from -\(RewardRules.weightLimit) to \
      \(RewardRules.weightLimit), as in \(rule)=0.1
      """
    case .missingOption(let flag, let rule):
      "the reward \(rule) needs \(flag.rawValue) \(flag.value); give it, or leave \(rule) out"
    case .unusedOption(let flag, let rule):
      """
      \(flag.rawValue) says something about the reward \(rule), which is not asked for; name \(rule) among the \
      rewards, or leave the option out
      """
    case .badPattern(let flag, let reason):
      "\(flag.rawValue): \(reason.cut); write a regular expression as ICU reads them"
    case .outOfRange(let flag, let found, let expected): "\(flag.rawValue) is \(found.cut) where \(expected) should be"
    case .start(let command, let reason):
      "the reward program '\(command.cut)' cannot be started: \(reason)"
    case .program(let command, let answered, let count, let fault):
      """
      the reward program '\(command.cut)' \(fault), when it had paid \(answered) of \(count) \
      completions\(fault.advice)
      """
    }
  }

  private static var known: String { RewardRules.names.joined(separator: ", ") }
}

extension String {
  /// Its beginning where it is long: what a file, an option or a program says may be of any length, and no error shall
  /// be.
  var cut: String { cut(to: 200) }
  func cut(to count: Int) -> String { unicodeScalars.count > count ? String(unicodeScalars.prefix(count)) + "…" : self }
}
