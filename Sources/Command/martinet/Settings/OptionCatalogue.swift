import ArgumentParser
import JSON

/// The options of a command, as its parser tells them.
struct OptionCatalogue {
  struct Option {
    enum Kind: Equatable {
      /// `hasOpposite`: there is `--no-…`, too.
      case flag(hasOpposite: Bool)
      case value(isRepeating: Bool)
      /// What follows `--`.
      case rest
    }

    /// Without dashes.
    var name: String
    /// Other names of the same.
    var aliases: [String]
    var kind: Kind
    var defaultValue: String?

    /// As a person is told.
    var defaultText: String {
      switch kind {
      // The parser names the flag that holds.
      case .flag: defaultValue.map { $0.hasSuffix(name) && !$0.hasSuffix("no-" + name) } ?? false ? "true" : "false"
      case .value, .rest: defaultValue ?? "(not set)"
      }
    }

    var variable: String { OptionCatalogue.variablePrefix + name.uppercased().replacing("-", with: "_") }
  }

  static let variablePrefix = "MARTINET_"
  /// Those that say where others come from, or are for the program's own use.
  private static let unset: Set<String> = [
    "help", "version", "config", "recipe", "print-config", "engine-link", "supervised-job",
  ]

  /// In the order of the help.
  let options: [Option]

  init(_ command: (some ParsableCommand).Type) throws {
    let arguments = try JSONValue(parsing: command._dumpHelp())["command"]?["arguments"]?.array ?? []
    var options: [Option] = []
    for argument in arguments {
      let names = (argument["names"]?.array ?? []).filter { $0["kind"]?.string == "long" }.compactMap {
        $0["name"]?.string
      }
      let isRepeating = argument["isRepeating"]?.bool ?? false
      switch argument["kind"]?.string {
      case "option":
        guard let name = names.first else { continue }
        options.append(
          Option(
            name: name, aliases: Array(names.dropFirst()), kind: .value(isRepeating: isRepeating),
            defaultValue: argument["defaultValue"]?.string))
      case "flag":
        guard let name = names.first(where: { !$0.hasPrefix("no-") || !names.contains(String($0.dropFirst(3))) }) else {
          continue
        }
        let opposite = "no-" + name
        options.append(
          Option(
            name: name, aliases: names.filter { $0 != name && $0 != opposite },
            kind: .flag(hasOpposite: names.contains(opposite)), defaultValue: argument["defaultValue"]?.string))
      default:
        guard let name = argument["valueName"]?.string else { continue }
        options.append(Option(name: name, aliases: [], kind: .rest))
      }
    }
    self.options = Self.joiningOpposites(options)
  }

  /// The parser tells of a flag and of its opposite one by one.
  private static func joiningOpposites(_ options: [Option]) -> [Option] {
    let flags = Set(options.compactMap { option in if case .flag = option.kind { option.name } else { nil } })
    return options.compactMap { option in
      guard case .flag = option.kind else { return option }
      if option.name.hasPrefix("no-"), flags.contains(String(option.name.dropFirst(3))) { return nil }
      var option = option
      if flags.contains("no-" + option.name) { option.kind = .flag(hasOpposite: true) }
      return option
    }
  }

  /// The option that a word of the command line names, with or without `no-`; the word has no dashes.
  func option(named word: String) -> Option? {
    options.first { option in
      if option.name == word || option.aliases.contains(word) { return true }
      return option.kind == .flag(hasOpposite: true) && word == "no-" + option.name
    }
  }

  /// Those that a file or the environment may set.
  var settable: [Option] { options.filter { !Self.unset.contains($0.name) } }

  func settable(named name: String, in place: String, of command: String) throws(SettingsError) -> Option {
    let options = settable
    if let option = options.first(where: { $0.name == name || $0.aliases.contains(name) }) { return option }
    let suggestion = NearestName.of(name, among: options.map(\.name))
    throw .unknown(name: "\"\(name)\"", place: place, suggestion: suggestion.map { "\"\($0)\"" }, command: command)
  }

  func settable(variable: String, of command: String) throws(SettingsError) -> Option {
    let options = settable
    if let option = options.first(where: { $0.variable == variable }) { return option }
    let suggestion = NearestName.of(variable, among: options.map { $0.variable.lowercased() })
    throw .unknown(
      name: "for \(variable)", place: "the environment", suggestion: suggestion?.uppercased(), command: command)
  }
}
