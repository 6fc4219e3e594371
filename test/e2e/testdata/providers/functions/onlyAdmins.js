exports = () => "for admins";
