import ArgumentParser
import Foundation
import JSON
import Machine

/// The options of a command from all places: the command line, the environment, a file, and what holds without. The
/// first of them that says something of an option counts for it.
struct CommandSettings {
  enum Source: CustomStringConvertible {
    case commandLine
    case environment(String)
    case file(String)

    var description: String {
      switch self {
      case .commandLine: "command line"
      case .environment(let variable): "environment, \(variable)"
      case .file(let path): "file \(path)"
      }
    }
  }

  private struct Entry {
    /// One for each time that the option is given; "true" or "false" for a flag.
    var values: [String]
    var source: Source
  }

  /// What the parser is to be given.
  private(set) var arguments: [String]
  private(set) var isToBePrinted = false
  private let catalogue: OptionCatalogue
  private var entries: [String: Entry] = [:]
  private let keyCount: Int
  /// The option that names the file, and the command, in words for messages.
  private let fileOption: String
  private let command: String

  /// `words`: what stands after `serve` on the command line.
  init(_ words: [String], environment: [String: String]) throws {
    try self.init(Serve.self, words, environment: environment, fileOption: "config", command: "serve")
  }

  /// `words`: what stands after the command's own on the command line; its file is a recipe, and the environment says
  /// nothing.
  init(_ type: (some TrainingCommand).Type, _ words: [String]) throws {
    try self.init(type, words, environment: [:], fileOption: "recipe", command: type.words.joined(separator: " "))
  }

  private init(
    _ type: (some ParsableCommand).Type, _ words: [String], environment: [String: String], fileOption: String,
    command: String
  ) throws {
    catalogue = try OptionCatalogue(type)
    (self.fileOption, self.command) = (fileOption, command)
    arguments = words
    keyCount = environment[ServerOptions.keysVariable]?.split { $0 == "," || $0.isWhitespace }.count ?? 0
    let isHelp = words.contains { ["-h", "--help", "--experimental-dump-help"].contains($0) }
    // A supervisor's job is told everything by its command line.
    guard !isHelp, !words.contains("--engine-link") else { return }
    let end = words.firstIndex(of: "--") ?? words.endIndex
    var file = environment[OptionCatalogue.variablePrefix + "CONFIG"].flatMap { $0.isEmpty ? nil : $0 }
    try readCommandLine(words[..<end], rest: words[end...].dropFirst(), file: &file)
    for (variable, value) in environment.sorted(by: { $0.key < $1.key }) { try read(variable, value) }
    if let file { try read(file: file) }
    var more: [String] = []
    for option in catalogue.options {
      guard let entry = entries[option.name], !entry.source.isCommandLine else { continue }
      switch option.kind {
      case .flag(let hasOpposite):
        if entry.values == ["true"] {
          more.append("--" + option.name)
        } else if hasOpposite {
          more.append("--no-" + option.name)
        }
      case .value: more += entry.values.map { "--\(option.name)=\($0)" }
      case .rest: break
      }
    }
    let rest = catalogue.options.first { $0.kind == .rest }.flatMap { entries[$0.name]?.values } ?? []
    arguments = words[..<end] + more + (rest.isEmpty ? [] : ["--"] + rest)
  }

  private mutating func readCommandLine(_ words: ArraySlice<String>, rest: ArraySlice<String>, file: inout String?)
    throws
  {
    var words = words
    while let word = words.popFirst() {
      guard word.hasPrefix("--") else { continue }
      let parts = word.dropFirst(2).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(
        String.init)
      guard let option = catalogue.option(named: parts[0]) else { continue }
      let value: String
      switch option.kind {
      case .flag: value = parts[0] == "no-" + option.name ? "false" : "true"
      case .value, .rest: value = parts.count > 1 ? parts[1] : words.popFirst() ?? ""
      }
      if option.name == fileOption { file = value }
      if option.name == "print-config" { isToBePrinted = true }
      let before = option.kind == .value(isRepeating: true) ? entries[option.name]?.values ?? [] : []
      entries[option.name] = Entry(values: before + [value], source: .commandLine)
    }
    if let option = catalogue.options.first(where: { $0.kind == .rest }), !rest.isEmpty {
      entries[option.name] = Entry(values: Array(rest), source: .commandLine)
    }
  }

  // MARK: Environment

  private mutating func read(_ variable: String, _ value: String) throws(SettingsError) {
    guard variable.hasPrefix(OptionCatalogue.variablePrefix), !value.isEmpty else { return }
    let own = [ServerOptions.keysVariable, "MARTINET_CONFIG", "MARTINET_JOB", KeeperFolder.variable]
    guard !own.contains(variable), !Self.isOfKubernetes(variable, value) else { return }
    let option = try catalogue.settable(variable: variable, of: command)
    guard entries[option.name] == nil else { return }
    let values: [String]
    switch option.kind {
    case .flag:
      switch value.lowercased() {
      case "1", "true", "yes", "on": values = ["true"]
      case "0", "false", "no", "off": values = ["false"]
      default:
        throw .wrongKind(name: variable, place: "the environment", found: "\"\(value)\"", expected: "true or false")
      }
    case .value(isRepeating: true):
      values = value.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    case .value(isRepeating: false): values = [value]
    case .rest: values = value.split(whereSeparator: \.isWhitespace).map(String.init)
    }
    entries[option.name] = Entry(values: values, source: .environment(variable))
  }

  /// Kubernetes tells every container of every service beside it: of one that is called martinet, `MARTINET_PORT` is
  /// its address.
  private static func isOfKubernetes(_ variable: String, _ value: String) -> Bool {
    ["tcp://", "udp://", "sctp://"].contains { value.hasPrefix($0) } || variable.contains("SERVICE_HOST")
      || variable.contains("SERVICE_PORT") || variable.firstMatch(of: /PORT_[0-9]+_(TCP|UDP|SCTP)/) != nil
  }

  // MARK: File

  private mutating func read(file path: String) throws(SettingsError) {
    guard !path.isEmpty else { throw .withoutFile(option: fileOption) }
    let json: JSONValue
    do {
      let handle = try FileHandle(forReadingFrom: URL(filePath: path))
      defer { try? handle.close() }
      json = try JSONValue(parsing: try handle.read(upToCount: 1 << 20) ?? Data())
    } catch let error as CocoaError {
      throw .unreadable(path: path, reason: error.localizedDescription)
    } catch { throw .unreadable(path: path, reason: "\(error)") }
    guard let object = json.object else { throw .notAnObject(path: path) }
    for (name, value) in object.members {
      let option = try catalogue.settable(named: name, in: path, of: command)
      let values = try Self.values(value, option, path)
      if let values, entries[option.name] == nil { entries[option.name] = Entry(values: values, source: .file(path)) }
    }
  }

  /// nil for null, which says nothing.
  private static func values(
    _ value: JSONValue, _ option: OptionCatalogue.Option, _ path: String
  ) throws(SettingsError) -> [String]? {
    func scalar(_ value: JSONValue) -> String? { value.string ?? value.number?.text }
    func refusal(_ expected: String) -> SettingsError {
      .wrongKind(name: "\"\(option.name)\"", place: path, found: value.kind, expected: expected)
    }
    if value.isNull { return nil }
    switch option.kind {
    case .flag:
      guard let isSet = value.bool else { throw refusal("true or false") }
      return [isSet ? "true" : "false"]
    case .value(let isRepeating):
      if let single = scalar(value) { return [single] }
      guard isRepeating else { throw refusal("a text or a number") }
      fallthrough
    case .rest:
      let values = value.array?.map(scalar) ?? []
      guard value.array != nil, !values.contains(nil) else { throw refusal("a list of texts") }
      return values.compactMap(\.self)
    }
  }

  // MARK: What is told

  /// Every option and its value, as a file for `fileOption` has them, but for those of these names.
  func json(except names: Set<String>) -> JSONValue {
    func value(_ text: String) -> JSONValue {
      // What is spelt as JSON spells numbers; `seed` may be beyond what an integer holds.
      (try? JSONValue(parsing: Array(text.utf8))).flatMap { $0.number == nil ? nil : $0 } ?? .string(text)
    }
    var members = JSONObject()
    for option in catalogue.settable where !names.contains(option.name) {
      let values = entries[option.name]?.values
      switch option.kind {
      case .flag: members[option.name] = .bool((values?.first ?? option.defaultText) == "true")
      case .value(isRepeating: false):
        if let text = values?.last ?? option.defaultValue { members[option.name] = value(text) }
      case .value(isRepeating: true), .rest:
        if let values { members[option.name] = .array(values.map { .string($0) }) }
      }
    }
    return .object(members)
  }

  /// Every option, its value, and where that comes from. No key is shown.
  var text: String {
    var lines = catalogue.settable.map { option in
      guard let entry = entries[option.name] else { return "\(option.name) = \(option.defaultText)  # default" }
      return "\(option.name) = \(entry.values.joined(separator: option.kind == .rest ? " " : ", "))  # \(entry.source)"
    }
    if keyCount > 0 { lines.append("\(keyCount) API keys  # environment, \(ServerOptions.keysVariable)") }
    return lines.joined(separator: "\n")
  }

  /// Where the options come from that a message of the parser names, unless from the command line.
  func sources(in message: String) -> String {
    catalogue.options.compactMap { option in
      guard let entry = entries[option.name], !entry.source.isCommandLine else { return nil }
      let isNamed = message.contains("--\(option.name) ") || message.contains("--\(option.name)'")
      return isNamed ? "\n--\(option.name) comes from: \(entry.source)" : nil
    }.joined()
  }
}

extension CommandSettings.Source {
  fileprivate var isCommandLine: Bool { if case .commandLine = self { true } else { false } }
}
