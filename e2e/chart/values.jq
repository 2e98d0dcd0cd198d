# From values.schema.json: `values` is values.yaml, `table` the table of README.md, `flaws` what the schema leaves open.
# A property that refers to a definition is that, with what it says itself.
def resolved($root): if has("$ref") then . as $from | ($root | getpath($from["$ref"] | ltrimstr("#/") | split("/"))) + $from else . end;

# A property with a default is a value; one without holds others.
def is_value: has("default");

def plain:
  if type == "array" then "[" + (map(plain) | join(", ")) + "]"
  elif type == "string" and test("^[A-Za-z][A-Za-z0-9/._-]*$") and (ascii_downcase | IN("true", "false", "yes", "no", "on", "off", "null", "y", "n") | not) then .
  else tojson end;

def wrapped($width): reduce splits(" +") as $word ([];
  if length > 0 and (.[-1] | length) + 1 + ($word | length) <= $width then .[-1] += " " + $word else . + [$word] end);

def comment($indent): wrapped(118 - ($indent | length))[] | "\($indent)# \(.)";

def block($indent): to_entries[] |
  if (.value | type) == "object" and .value != {} then "\($indent)\(.key):", (.value | block($indent + "  "))
  else "\($indent)\(.key): \(.value | plain)" end;

def lines($root; $indent): to_entries[]
  | (.value | resolved($root)) as $schema
  | if $schema | is_value then
      ($schema.description | comment($indent)), ({(.key): $schema.default} | block($indent)), (if $indent == "" then "" else empty end)
    elif $schema.properties then
      ($schema.description | comment($indent)), "\($indent)\(.key):", ($schema.properties | lines($root; $indent + "  ")), (if $indent == "" then "" else empty end)
    else empty end;

def values:
  "# Made from values.schema.json: make golden.", "", ([.properties | lines(.; "")] | .[:-1][]);

def bounds:
  if .enum then .enum | join(", ")
  elif .type == "integer" then "\(.minimum) to \(.maximum)"
  else empty end;

def rows($path): to_entries[]
  | .key as $key | .value as $schema
  | if $schema | is_value then
      "| `\($path)\($key)` | `\($schema.default | plain)` | \($schema.description | rtrimstr(".") | gsub("\\|"; "\\|"))\([$schema | bounds | " (\(.))"] | add // "") |"
    elif $schema.properties then $schema.properties | rows("\($path)\($key).")
    else empty end;

def table: "| Value | Default | Meaning |", "| --- | --- | --- |", (.properties | rows(""));

def leaves($path): to_entries[] | ($path + [.key]) as $at | .value
  | if is_value then {$at, default} elif .properties then .properties | leaves($at) else empty end;

# The values that a file leaves out, or at their default.
def not_in($file): .properties | leaves([]) | .default as $default | (.at as $at | $file | getpath($at)) as $set
  | select($set == null or $set == $default) | .at | join(".");

# Everything is closed and bounded, and every value says what it is.
def flaws:
  ([], paths(objects)) as $at | getpath($at) as $schema | ($at | map(tostring) | join(".")) as $name
  | ((if $schema.type == "object" and $schema.additionalProperties != false and ($schema.additionalProperties | type) != "object" and $name != "properties.global" then "\($name): additionalProperties" else empty end),
     (if $schema.type == "array" and ($schema | has("maxItems") | not) then "\($name): maxItems" else empty end),
     (if ($schema | has("default")) and ($at[-2] == "properties") and (($schema.description // "") == "") then "\($name): description" else empty end));
